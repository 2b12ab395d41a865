r"""Semantic loss by weighted model counting, the exact method that the study compares costs with.

J. Xu, Z. Zhang, T. Friedman, Y. Liang, G. Van den Broeck: *A Semantic Loss Function for Deep Learning with Symbolic
Knowledge* (ICML 2018): the negative logarithm of the probability that independent atoms satisfy the clauses,
:math:`-\log \sum_{v \models C} \prod_{v_j = 1} p_j \prod_{v_j = 0} (1 - p_j)`. The clauses are compiled into a
sentential decision diagram once; each example then costs one pass over the diagram.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nnsearch.errors import ConfigError
from training.losses.cnf import Cnf

_LEAST, _MOST = 1e-6, 1 - 1e-6  # probabilities of unknown atoms: their logarithms stay finite


class Diagram:
    """A sentential decision diagram of a CNF, compiled by PySDD (``ConfigError`` without it)."""

    def __init__(self, cnf: Cnf) -> None:
        try:
            sdd = importlib.import_module("pysdd.sdd")
        except ImportError:
            raise ConfigError("expected PySDD for the semantic loss; pip install -e '.[study]'") from None
        self.num_atoms = cnf.num_atoms
        self._manager = sdd.SddManager(var_count=cnf.num_atoms, auto_gc_and_minimize=True)
        root = self._manager.true()
        # Short clauses first: they cut most.
        for clause in sorted(cnf.clauses(), key=len):
            disjunction = self._manager.false()
            for literal in clause:
                disjunction = disjunction | self._manager.literal(literal)
            below, root = root, root & disjunction
            root.ref()
            below.deref()
        self._root = root

    @property
    def size(self) -> int:
        """Elements of the diagram."""
        return int(self._root.size())

    def log_probability(self, probability: Any) -> tuple[float, Any]:
        """Return the logarithm of the probability that the clauses hold, and its derivative by each atom, float64[n].

        Atoms that are known are 0 or 1; minus infinity and zeros where the facts contradict the clauses.
        """
        counter = self._counter()
        with np.errstate(divide="ignore"):
            true, false = np.log(probability), np.log1p(-probability)
        counter.set_literal_weights_from_array(np.concatenate([false[::-1], true]))
        total = float(counter.propagate())
        if total == -np.inf:
            return total, np.zeros(self.num_atoms)
        by_true = np.array([counter.literal_derivative(self._manager.literal(a)) for a in range(1, self.num_atoms + 1)])
        by_false = np.array(
            [counter.literal_derivative(self._manager.literal(-a)) for a in range(1, self.num_atoms + 1)]
        )
        return total, np.exp(by_true - total) - np.exp(by_false - total)

    def _counter(self) -> Any:
        return self._root.wmc(log_mode=True)


def semantic_loss(probability: Tensor, facts: Tensor, diagram: Diagram) -> Tensor:
    """Return the mean over the batch of the negative log-probability that the clauses hold, a scalar.

    Of independent atoms float[B, n] on the CPU, and facts [B, n]: 1 true, -1 false, 0 unknown.
    """
    unknown = probability.clamp(_LEAST, _MOST)
    known = torch.where(facts == 0, unknown, (facts > 0).to(probability.dtype))
    loss: Tensor = _NegativeLog.apply(known, diagram)  # type: ignore[no-untyped-call]
    return loss.mean()


class _NegativeLog(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, probability: Tensor, diagram: Diagram) -> Tensor:
        rows = [diagram.log_probability(row) for row in probability.detach().double().numpy()]
        ctx.save_for_backward(torch.from_numpy(np.stack([-derivative for _, derivative in rows])).to(probability.dtype))
        return torch.tensor([-total for total, _ in rows], dtype=probability.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (derivative,) = ctx.saved_tensors
        return gradients[0].unsqueeze(1) * derivative, None
