"""Rows as a loss through straight-through estimators: what CL-STE is for clauses, for sums with coefficients."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_ROUNDING = 1e-4  # of sums in float32


@dataclass(frozen=True)
class OpenRows:
    """M rows of a disjoint union of states, ``low <= sum of coefficient * value <= high``, with E edges to N values.

    A clause is a row with ``low = 1 - negated literals`` and a coefficient of -1 for each of those.

    Attributes:
        edge_value: int64[E].
        edge_row: int64[E].
        coefficient: float[E]; 0 of conditions.
        condition: bool[E], the row has to hold only where all such literals do.
        negated: bool[E], the condition is that the value is 0.
        low: float[M]; ``-inf`` where there is none.
        high: float[M]; ``inf`` where there is none. What has neither is no row, and counts nothing.
        state_of: int64[M], 0..B-1.
    """

    edge_value: Tensor
    edge_row: Tensor
    coefficient: Tensor
    condition: Tensor
    negated: Tensor
    low: Tensor
    high: Tensor
    state_of: Tensor


def row_ste_loss(values: Tensor, rows: OpenRows, binary: Tensor, num_states: int) -> Tensor:
    r"""Return float[B], :math:`L_{unsat} + L_{sat}` of each state, extended from clauses to sums with coefficients.

    .. math::
        unsat_i &= \mathrm{outside}_i \prod_{j \in \mathrm{conditions}} c_{ij}, \quad
        keep_i = \sum_j 1[v_j = 1](1 - v_j) + 1[v_j = 0]\, v_j \\
        L &= \mathrm{avg}_{i\,:\,unsat_i > 0} unsat_i + \mathrm{avg}_{i\,:\,unsat_i = 0} keep_i

    where outside is how far a sum is from its sides. Of clauses it is the loss of
    :func:`training.losses.cnf_ste.cnf_loss` without facts, value and gradient (Yang, Lee and Park 2022, equations 5 to
    8): the state has its facts out of the rows already, and what they alone decide decided. The value is 0 where
    all rows hold, and only there; the gradient of keep, whose value is 0, holds the values of rows that hold where they
    are.

    Args:
        values: float[N], 0 or 1 of :func:`training.losses.cnf_ste.binarise`; any number where not binary.
        rows: the rows.
        binary: bool[N], which values are 0 or 1.
        num_states: B.
    """
    own = values[rows.edge_value]  # [E]
    zeros = torch.zeros_like(rows.low)
    sums = zeros.scatter_add(0, rows.edge_row, rows.coefficient * own)
    outside = (rows.low - sums).clamp(min=0) + (sums - rows.high).clamp(min=0)
    missed = torch.where(rows.condition, torch.where(rows.negated, own, 1 - own), torch.zeros_like(own))
    failing = zeros.scatter_add(0, rows.edge_row, missed)
    # Where all conditions hold, the product has the derivative 1 by each of them, as this sum has.
    unsat = outside * (1 - failing)
    counted = torch.isfinite(rows.low) | torch.isfinite(rows.high)
    violated = counted & (outside.detach() > _ROUNDING) & (failing.detach() < 0.5)
    kept = torch.where(own.detach() > 0.5, 1 - own, own) * binary[rows.edge_value]
    keep = zeros.scatter_add(0, rows.edge_row, kept)
    return _mean(unsat, violated, rows.state_of, num_states) + _mean(
        keep, counted & ~violated, rows.state_of, num_states
    )


def _mean(terms: Tensor, chosen: Tensor, state_of: Tensor, num_states: int) -> Tensor:
    """Return float[B], the mean over the chosen rows of each state; 0 where there are none."""
    zeros = terms.new_zeros(num_states)
    total = zeros.scatter_add(0, state_of, torch.where(chosen, terms, torch.zeros_like(terms)))
    return total / zeros.scatter_add(0, state_of, chosen.to(terms.dtype)).clamp(min=1)
