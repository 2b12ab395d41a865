"""Sums: pictures are known by what they add up to (Manhaeve and others 2018; add2x2 after Gaunt and others 2017)."""

from __future__ import annotations

import numpy as np

from benchmarks.studies.cl_ste.tasks.config import TaskConfig
from benchmarks.studies.cl_ste.tasks.digits import Digits
from benchmarks.studies.cl_ste.tasks.picture_task import PictureAtoms, PictureTask, build

_LINES = ((0, 1), (2, 3), (0, 2), (1, 3))  # rows and columns of a 2 x 2 grid


def numbers(config: TaskConfig, seed: int, digits: int) -> PictureTask:
    """Return the task "two numbers of some digits each and their sum" (mnistAdd, mnistAdd2).

    The clauses say for each sum: not this sum, or one of the tuples of digits that have it.
    """
    return _sums(config, seed, (tuple(range(2 * digits)),), digits)


def grid(config: TaskConfig, seed: int) -> PictureTask:
    """Return the task "a 2 x 2 grid of digits and the sums of its rows and columns" (add2x2)."""
    return _sums(config, seed, _LINES, 1)


def _sums(config: TaskConfig, seed: int, tuples: tuple[tuple[int, ...], ...], digits: int) -> PictureTask:
    pictures = Digits.load(config.data.test, seed)
    images = 1 + max(max(one) for one in tuples)
    about = PictureAtoms(images, 10, tuples)
    num_sums = 2 * 10**digits - 1
    clauses = []
    for block in range(len(tuples)):
        ways: list[list[int]] = [[] for _ in range(num_sums)]
        for classes, literal in about.literals(block).items():
            ways[_sum(classes)].append(literal)
        first = about.size + block * num_sums + 1
        clauses += [[-(first + total), *literals] for total, literals in enumerate(ways)]
    examples = np.random.default_rng([seed, 2]).integers(len(pictures.classes), size=(config.data.examples, images))
    shown = pictures.classes.numpy()[examples]
    labels = [
        [block * num_sums + _sum(tuple(row[list(one)].tolist())) for block, one in enumerate(tuples)] for row in shown
    ]
    return build(config, pictures, about, clauses, len(tuples) * num_sums, examples, labels)


def _sum(classes: tuple[int, ...]) -> int:
    """Return the sum of two numbers, the first half of the digits and the second."""
    half = len(classes) // 2
    return sum(int("".join(map(str, one))) for one in (classes[:half], classes[half:]))
