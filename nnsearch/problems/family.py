"""What the folder of a problem family offers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from nnsearch.problems.files.json_lines import JsonForm
from nnsearch.problems.files.source import JSON_ENDING
from nnsearch.problems.problem import Problem


@dataclass(frozen=True)
class ProblemFamily:
    """What the folder of a family offers; everything that concerns all families iterates over ``FAMILIES``.

    Attributes:
        name: What ``--problem`` calls the family.
        endings: The endings of its files, in lower case.
        read: Returns the instances in a file, at least one, by what selects them after ``#``. It takes a
            :class:`nnsearch.problems.files.source.Spec`, then the number of colours if ``takes_colours``.
        takes_colours: Whether its files leave out the number of colours.
        numbered: Those of the endings whose files hold an instance in each line; ``FILE#LINE`` is one of them.
        json: How its instances are written as JSON lines; None where they are not.
        generate: Returns satisfiable instances with a planted solution each, ``(instance, values)``, and takes
            the numbers of ``sizes``, the number of instances (a larger one begins with the same instances) and a seed.
            None where there is no generator.
        sizes: The names and the types of the numbers that make an instance large and hard.
    """

    name: str
    endings: tuple[str, ...]
    read: Callable[..., Mapping[str, Problem]]
    takes_colours: bool = False
    numbered: tuple[str, ...] = ()
    json: JsonForm | None = None
    generate: Callable[..., Sequence[tuple[Problem, list[int]]]] | None = None
    sizes: Mapping[str, type[int] | type[float]] = field(default_factory=dict)

    @property
    def all_endings(self) -> tuple[str, ...]:
        """The endings of all files that may hold instances, those of JSON lines among them."""
        return self.endings if self.json is None else (*self.endings, JSON_ENDING)

    @property
    def form(self) -> str:
        """How a set of generated instances is asked for, such as ``sudoku:BOX:HOLES``."""
        return ":".join([self.name, *self.sizes])
