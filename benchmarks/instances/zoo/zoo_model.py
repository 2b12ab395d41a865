"""What a kind of the zoo makes: a model as a practitioner would write it, and a checker that knows only the data."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import TypeVar

from ortools.sat.python import cp_model

T = TypeVar("T")

Value = Callable[[cp_model.IntVar], int]
"""What a solution gives a variable."""

Check = Callable[[Value], float | None]
"""Returns the objective that a solution has (None without one); raises a BrokenRuleError where it is none."""


class Size(StrEnum):
    """How large an instance is: proved by two workers of CP-SAT at once, within seconds, and often not in time."""

    SMALL = "small"
    MEDIUM = "medium"
    LARGE = "large"

    def choose(self, small: T, medium: T, large: T) -> T:
        """Return what belongs to this size."""
        return {Size.SMALL: small, Size.MEDIUM: medium, Size.LARGE: large}[self]


@dataclass(frozen=True)
class ZooModel:
    """A model to solve.

    Attributes:
        model: it.
        check: the checker, made from the data of the instance, not from the model.
        satisfiable: whether there is a solution, by construction; None is not known.
    """

    model: cp_model.CpModel
    check: Check
    satisfiable: bool | None = True

    @property
    def digest(self) -> str:
        """The first 12 hexadecimal digits of the model's SHA-256."""
        return hashlib.sha256(str(self.model.proto).encode()).hexdigest()[:12]


Kind = Callable[[Size, Random], ZooModel]
"""Makes the model of a size; the same one whenever the stream of random numbers is the same."""
