"""What a stream is: a first instance, how the data change from one to the next, and the model of such data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Generic, TypeVar

from benchmarks.instances.zoo.zoo_model import ZooModel

D = TypeVar("D")


@dataclass(frozen=True)
class Stream(Generic[D]):
    """Instances of one family, each with the data of the one before, changed.

    Attributes:
        name: kind and instance, such as ``job-shop-arrivals/la27``.
        first: draws or reads the data of the first instance.
        change: returns changed data.
        model: of data; what is the same in two instances has the same name.
    """

    name: str
    first: Callable[[Random], D]
    change: Callable[[D, Random], D]
    model: Callable[[D], ZooModel]

    def build(self, step: int, seed: int = 1) -> ZooModel:
        """Return the instance after so many changes; the same one for the same seed."""
        data = self.first(self._random(0, seed))
        for number in range(1, step + 1):
            data = self.change(data, self._random(number, seed))
        return self.model(data)

    def _random(self, step: int, seed: int) -> Random:
        return Random(f"{self.name} {step} {seed}")  # of a text it is the same in every process


def given(data: D) -> Callable[[Random], D]:
    """Return what a stream begins with whose first data are known."""
    return lambda rng: data


Kind = Callable[[str, Path | None], list[Stream[Any]]]
"""Makes the streams of a kind from its name and the folder of other people's instances; generated ones without."""


def about(number: int, share: float, rng: Random) -> int:
    """Return a number that differs by up to a share, and is 1 or more."""
    return max(1, round(number * rng.uniform(1 - share, 1 + share)))


def files(folder: Path | None, kind: str, ending: str) -> list[Path]:
    """Return the files of a kind in the folder of other people's instances, by name; none without a folder."""
    return [] if folder is None else sorted((folder / kind).glob(f"*{ending}"))
