"""Problem families. Each builds a ``cp_model.CpModel``; there is no modelling layer of our own.

An instance of any family is a :class:`Problem`. The generators of the families have one shape:
``generate(size and hardness..., count, seed) -> list[tuple[instance, planted solution]]``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ortools.sat.python import cp_model


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
            values: a solution.
            colour: use ANSI colour for what the solution adds.
        """

    def describe(self) -> str:
        """Return the size and the hardness in a few words, such as ``order 16, 155 holes``."""
