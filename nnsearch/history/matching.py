"""Which variable of a past model is which variable of the present one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]


def match(past: Sequence[str], present: Sequence[str]) -> IntArray:
    """Match variables by name.

    Variables of the same name are matched one by one in their order, if both models have equally many of them. That
    holds for unnamed variables, too: they match where the two models have the same number of them.

    Args:
        past: names of the past model's variables; empty where there is none.
        present: names of the V variables of the present model.

    Returns:
        int64[V], the index of the past variable; -1 for a new one.
    """
    if list(past) == list(present):
        return np.arange(len(present), dtype=np.int64)
    places: dict[str, list[int]] = {}
    for place, name in enumerate(past):
        places.setdefault(name, []).append(place)
    wanted: dict[str, list[int]] = {}
    for place, name in enumerate(present):
        wanted.setdefault(name, []).append(place)
    matched = np.full(len(present), -1, dtype=np.int64)
    for name, same in wanted.items():
        if len(same) == len(places.get(name, ())):
            matched[same] = places[name]
    return matched


@dataclass(frozen=True, eq=False)
class Plan:
    """A past solution in the words of the present model.

    Attributes:
        values: int64[V], what each variable was; 0 where it is not known.
        known: bool[V], whether there was such a variable.
    """

    values: IntArray
    known: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, values: IntArray, matched: IntArray) -> Plan:
        """Take the values of a past solution.

        Args:
            values: of the past model's variables.
            matched: see :func:`match`.
        """
        known = matched >= 0
        return cls(np.where(known, values[matched] if len(values) else 0, 0), known)


def occurrences(names: Sequence[str]) -> list[int]:
    """Return of each name how often it came before."""
    if len(set(names)) == len(names):
        return [0] * len(names)
    counters: dict[str, count[int]] = {}
    return [next(counters.setdefault(name, count())) for name in names]
