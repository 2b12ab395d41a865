"""What an instance of any problem family does. There is no modelling layer of our own: each builds a ``CpModel``."""

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
        """Tell, without any solver, whether values of all variables solve the instance; a wrong number does not."""

    def render(self, values: Sequence[int] | None, colour: bool) -> str:
        """Return a solution as text, or what the instance gives when values is None.

        Args:
            values: The solution.
            colour: Whether to use ANSI colour for what the solution adds.
        """

    def describe(self) -> str:
        """Return the size and the hardness in a few words, such as ``order 16, 155 holes``."""
