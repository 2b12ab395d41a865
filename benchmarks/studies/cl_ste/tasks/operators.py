"""apply2x2: pictures of operators are known by what they make of three numbers (Gaunt and others 2017)."""

from __future__ import annotations

import itertools
import operator

import numpy as np

from benchmarks.studies.cl_ste.tasks.config import TaskConfig
from benchmarks.studies.cl_ste.tasks.digits import Digits
from benchmarks.studies.cl_ste.tasks.picture_task import PictureAtoms, PictureTask, build

_OPERATORS = (operator.add, operator.sub, operator.mul)
_LINES = ((0, 1), (2, 3), (0, 2), (1, 3))  # rows and columns of a 2 x 2 grid

Pairs = tuple[tuple[int, int], ...]


def apply2x2(config: TaskConfig, seed: int) -> PictureTask:
    """Return the task "a 2 x 2 grid of operators, three numbers, and what each row and column makes of them".

    A line of operators p, q applied to x, y, z is ``(x p y) q z``. The handwritten operators of the original (HASY) are
    not in scikit-learn: pictures of 0, 1 and 2 stand for plus, minus and times. The numbers are given, 0 to 9. A fact
    (x, y, z, result) says no more than which pairs of operators give that result, so labels are these sets of pairs,
    and a clause says: not this set, or one of its pairs.
    """
    pictures = Digits.load(config.data.test, seed, len(_OPERATORS))
    about = PictureAtoms(4, len(_OPERATORS), _LINES)
    meant = _meanings()
    sets = sorted({pairs for results in meant.values() for pairs in results.values()})
    place = {pairs: number for number, pairs in enumerate(sets)}
    clauses = []
    for block in range(len(_LINES)):
        literals = about.literals(block)
        first = about.size + block * len(sets) + 1
        clauses += [[-(first + number), *(literals[pair] for pair in pairs)] for number, pairs in enumerate(sets)]
    rng = np.random.default_rng([seed, 2])
    examples = rng.integers(len(pictures.classes), size=(config.data.examples, 4))
    numbers = rng.integers(10, size=(config.data.examples, 3))
    labels = []
    for row, (x, y, z) in zip(pictures.classes.numpy()[examples], numbers.tolist(), strict=True):
        results = meant[x, y, z]
        labels.append(
            [
                block * len(sets) + place[results[_result((x, y, z), (int(row[i]), int(row[j])))]]
                for block, (i, j) in enumerate(_LINES)
            ]
        )
    return build(config, pictures, about, clauses, len(_LINES) * len(sets), examples, labels)


def _meanings() -> dict[tuple[int, int, int], dict[int, Pairs]]:
    """Return of each three numbers which pairs of operators give which result."""
    meanings = {}
    for numbers in itertools.product(range(10), range(10), range(10)):
        results: dict[int, Pairs] = {}
        for pair in itertools.product(range(len(_OPERATORS)), range(len(_OPERATORS))):
            result = _result(numbers, pair)
            results[result] = (*results.get(result, ()), pair)
        meanings[numbers] = results
    return meanings


def _result(numbers: tuple[int, int, int], pair: tuple[int, int]) -> int:
    x, y, z = numbers
    return _OPERATORS[pair[1]](_OPERATORS[pair[0]](x, y), z)
