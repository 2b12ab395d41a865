"""Worths of values and of pairs of them that are learned together, so that no dependence is counted twice."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.studies.preferences.pair_terms import PairTerm
from benchmarks.studies.preferences.planners import Worths

_DECAY = 1.0  # of the squares of the weights; those of single values have a tenth
_ITERATIONS = 200
_LEAST = 0.05  # nats; pairs of variables without a weight of this size are left out


def learned_pairs(names: Sequence[str], solutions: npt.NDArray[np.int64]) -> tuple[Worths, list[PairTerm]]:
    """Return the worths under which every value is the most likely one, given the others of its solution.

    That is the pseudo-likelihood (Besag 1975) of a model in which the log-probability of a solution is the sum of the
    worths of its values and of all pairs of them, with a penalty on their squares.

    Args:
        names: of V variables.
        solutions: int64[S, V].
    """
    values = [np.unique(column) for column in solutions.T]
    offset = np.cumsum([0, *map(len, values)]).tolist()
    holds = np.concatenate(
        [column[:, None] == known for column, known in zip(solutions.T, values, strict=True)], axis=1
    )
    data = torch.from_numpy(holds.astype(np.float64))  # [S, K], of K values of all variables
    other = torch.ones(offset[-1], offset[-1], dtype=torch.float64)
    for low, high in pairwise(offset):
        other[low:high, low:high] = 0
    weights = torch.zeros_like(other, requires_grad=True)  # [K, K]
    alone = torch.zeros(offset[-1], dtype=torch.float64, requires_grad=True)  # [K]
    optimizer = torch.optim.LBFGS([weights, alone], max_iter=_ITERATIONS, line_search_fn="strong_wolfe")

    def symmetric() -> torch.Tensor:
        return (weights + weights.T) / 2 * other

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        scores = alone + data @ symmetric()  # [S, K], of each value given those of the other variables
        total = _DECAY * (symmetric().square().sum() + alone.square().sum() / 10)
        for low, high in pairwise(offset):
            total = total - (torch.log_softmax(scores[:, low:high], 1) * data[:, low:high]).sum()
        total.backward()  # type: ignore[no-untyped-call]
        return total

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    worth, together = alone.detach().numpy(), symmetric().detach().numpy()
    worths = {}
    for name, known, low in zip(names, values, offset, strict=False):
        worths[name] = np.full(int(known.max()) + 1, worth[low : low + len(known)].min())
        worths[name][known] = worth[low : low + len(known)]
    terms = []
    for i in range(len(names)):
        for j in range(i + 1, len(names)):
            pair = together[offset[i] : offset[i + 1], offset[j] : offset[j + 1]]
            if np.abs(pair).max() >= _LEAST:
                terms.append(PairTerm(names[i], names[j], values[i], values[j], pair))
    return worths, terms
