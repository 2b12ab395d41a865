"""What an instance of a problem does, and what the folder of a problem family offers.

There is no modelling layer of our own: every instance builds a ``CpModel``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ortools.sat.python import cp_model

from nnsearch.problems.files.json_lines import JsonObject
from nnsearch.problems.files.source import JSON_ENDING


class Problem(Protocol):
    """One instance of a problem family, to be solved, checked and shown.

    Its variables are those of the model, in the same order; ``values`` are int[V], one for each.
    """

    @property
    def problem(self) -> str:
        """The family, as ``--problem`` and the metadata of a network name it."""

    @property
    def name(self) -> str:
        """The instance, for people."""

    def build(self) -> tuple[cp_model.CpModel, list[cp_model.IntVar]]:
        """Build the CP-SAT model; return it with the variables that a network is asked about."""

    def is_solution(self, values: Sequence[int]) -> bool:
        """Tell whether values of all variables solve the instance; anything of a wrong length does not."""

    def render(self, values: Sequence[int] | None, colour: bool) -> str:
        """Return a solution as text, or what the instance gives when values is None.

        Args:
            values: The solution.
            colour: Whether to use ANSI colour for what the solution adds.
        """

    def describe(self) -> str:
        """Return the size and the hardness in a few words, such as ``order 16, 155 holes``."""


@dataclass(frozen=True)
class ProblemFamily:
    """What the folder of a family offers; everything that concerns all families iterates over ``FAMILIES``.

    Attributes:
        name: What ``--problem`` calls the family.
        endings: The endings of its own files, in lower case.
        read: Returns the instances in such a file, at least one, by what selects them after ``#``. It takes a
            :class:`nnsearch.problems.files.source.Spec`, and the number of colours if ``takes_colours``.
        numbered: Those of the endings whose files hold an instance in each line; ``FILE#LINE`` is one of them.
        recognises: Tells from the content of a file that it holds an instance, whatever its ending.
        takes_colours: Whether its files leave out the number of colours.
        read_json: Returns the instance that an object of JSON lines is; None where there are no such objects.
        is_json: Tells from the fields of an object whether it is of this family, and not of any other.
        json_words: What such an object is, and how that shows, such as ``("n-queens completion", 'it has "placed"')``;
            fields in braces are filled in.
        one_size: Returns the problem of an order, a :class:`nnsearch.problems.one_size.OneSize`; None where networks of
            one size cannot solve it.
        generate: Returns satisfiable instances, named by the arguments and their position, each with the values of a
            solution. Takes the numbers of ``sizes``, then how many instances (a larger number begins with the same
            ones) and the seed. None where there is no generator.
        sizes: The names and types of the numbers that tell how large and how hard a generated instance is.
    """

    name: str
    endings: tuple[str, ...]
    read: Callable[..., Mapping[str, Problem]]
    numbered: tuple[str, ...] = ()
    recognises: Callable[[bytes], bool] = lambda content: False
    takes_colours: bool = False
    read_json: Callable[[JsonObject], Problem] | None = None
    is_json: Callable[[Mapping[str, Any]], bool] = lambda fields: False
    json_words: tuple[str, str] = ("", "")
    one_size: Callable[[int], Any] | None = None
    generate: Callable[..., Sequence[tuple[Problem, list[int]]]] | None = None
    sizes: Mapping[str, type[int] | type[float]] = field(default_factory=dict)

    @property
    def all_endings(self) -> tuple[str, ...]:
        """The endings of all files that may hold instances, those of JSON lines among them."""
        return self.endings if self.read_json is None else (*self.endings, JSON_ENDING)

    @property
    def form(self) -> str:
        """How a set of generated instances is asked for, such as ``sudoku:BOX:HOLES``."""
        return ":".join([self.name, *self.sizes])
