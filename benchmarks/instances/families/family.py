"""What a family is: instances of one kind with other data each, in sizes, apart for training and for tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from benchmarks.instances.zoo.zoo_model import ZooModel


class Scale(StrEnum):
    """How large an instance is: ``x4`` has about four times the variables of ``x1``; ``tiny`` is solved at once."""

    TINY = "tiny"
    X1 = "x1"
    X4 = "x4"
    X16 = "x16"


class Part(StrEnum):
    """What an instance is for; the two have no instance in common, whatever their seeds."""

    TRAINING = "training"
    TEST = "test"


@dataclass(frozen=True)
class InstanceFamily:
    """Instances that differ in their data alone; what means the same has the same name in all of one size.

    Attributes:
        name: such as ``set-cover``.
        draw: returns an instance from its dimensions and a stream of random numbers.
        dimensions: of each size.
    """

    name: str
    draw: Callable[..., ZooModel]
    dimensions: Mapping[Scale, tuple[int, ...]]

    def build(self, scale: Scale, part: Part, seed: int, number: int) -> ZooModel:
        """Return an instance; the same one in every process.

        Args:
            scale: how large it is.
            part: what it is for, which the random numbers depend on.
            seed: of a set of instances.
            number: which one of the set.
        """
        rng = Random(f"{self.name} {scale} {part} {seed} {number}")  # of a text it is the same in every process
        drawn = self.draw(*self.dimensions[scale], rng)
        drawn.model.name = self.name
        return drawn


def sizes(
    tiny: tuple[int, ...], x1: tuple[int, ...], x4: tuple[int, ...], x16: tuple[int, ...]
) -> Mapping[Scale, tuple[int, ...]]:
    """Return the dimensions of all sizes."""
    return dict(zip(Scale, (tiny, x1, x4, x16), strict=True))
