"""Losses on the model graph; a batch is a disjoint union, and the weights of its items say what a mean is over."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from nnsearch.encoding.model_graph.encoder import NEAR
from nnsearch.encoding.model_graph.items import BOOLEAN, CANDIDATE, QUANTITY
from nnsearch.encoding.model_graph.state import EDGE_FEATURES
from training.data.model_states import ModelBatch
from training.losses.cnf_ste import binarise
from training.losses.row_ste import OpenRows, row_ste_loss

_CANDIDATE_ODDS = 0.3
"""Weight of the binary cross-entropy of candidates, which makes their scores log-odds that compare to others'."""


def decision_cross_entropy(scores: Tensor, batch: ModelBatch) -> Tensor:
    r"""Cross-entropy of the decisions of a state with the shares that good solutions have of them.

    Of a Boolean it is binary, :math:`-t \log \sigma(s) - (1 - t) \log \sigma(-s)`, of a variable with candidates that
    of the softmax over them, and in part binary as well. Weighted, see :class:`training.data.model_states.ModelState`.

    Args:
        scores: float[N'].
        batch: with the labels t.
    """
    kind = _kind(batch)
    terms = functional.binary_cross_entropy_with_logits(scores, batch.label, reduction="none")
    total = (terms * batch.weight * (kind == BOOLEAN)).sum()
    candidates = torch.nonzero(kind == CANDIDATE).squeeze(1)
    if not batch.num_choices:
        return total
    choice, own, weight = batch.choice[candidates], scores[candidates], batch.weight[candidates]
    log_share = own - _log_sum_exp(own, choice, batch.num_choices)[choice]
    sizes = scores.new_zeros(batch.num_choices).scatter_add(0, choice, torch.ones_like(own))
    odds = _CANDIDATE_ODDS * terms[candidates] / sizes[choice]
    return total + (weight * (odds - batch.label[candidates] * log_share)).sum()


def target_loss(scores: Tensor, targets: Tensor, batch: ModelBatch) -> Tensor:
    r"""Distance of the targets of quantities from a good solution's values, and how well the scores tell it.

    :math:`|p - p^*|` of places in the current domain, and the binary cross-entropy of the score with whether that is at
    most ``NEAR``. Mean over the quantities of a state; 0 where there are none.

    Args:
        scores: float[N'].
        targets: float[N'], from 0 to 1.
        batch: with the places of a solution as labels.
    """
    weight = batch.weight * (_kind(batch) == QUANTITY)
    distance = (targets - batch.label).abs()
    near = (distance.detach() <= NEAR).float()
    sure = functional.binary_cross_entropy_with_logits(scores, near, reduction="none")
    return (weight * (distance + 0.1 * sure)).sum()


def ruled_out_penalty(scores: Tensor, batch: ModelBatch) -> Tensor:
    r"""Semantic-based regularisation with the bounds of rows as the source: :math:`\sum_i (1 - C_i)\,\sigma(s_i)^2`.

    What they rule out should have no odds, be it that an item holds or that it does not (Silvestri, Lombardi and Milano
    2021, section 3, form ``negative``, with another source of knowledge). Weighted as the decisions are; 0 where
    nothing is known.

    Args:
        scores: float[N'].
        batch: with what is forced.
    """
    wrong = torch.sigmoid(-scores * batch.forced)
    return (batch.weight * batch.forced.abs() * wrong**2).sum()


def row_violation(scores: Tensor, targets: Tensor, batch: ModelBatch) -> Tensor:
    """How far sums of the relaxed prediction are outside their rows, in the mean coefficient, mean over nodes.

    A Boolean is its probability, a candidate its share of its variable, a quantity its target. Violations count up to 1
    linearly, and larger ones with their logarithm, so that no row rules a state.

    Args:
        scores: float[N'].
        targets: float[N'].
        batch: with coefficients and what is left of the rows.
    """
    level = _levels(scores, targets, batch)
    edge_item, edge_node = batch.inputs[0], batch.inputs[1]
    sums = torch.zeros_like(batch.low).scatter_add(0, edge_node, batch.coefficient * level[edge_item])
    outside = (batch.low - sums).clamp(min=0) + (sums - batch.high).clamp(min=0)
    return (batch.node_share * outside.log1p()).sum()


def straight_through(scores: Tensor, targets: Tensor, batch: ModelBatch) -> Tensor:
    """Rows that the likelier values violate, see :func:`training.losses.row_ste.row_ste_loss`; mean over states.

    A Boolean is 1 from a probability of one half on, a candidate from a share of one half on, a quantity its target.

    Args:
        scores: float[N'].
        targets: float[N'].
        batch: with coefficients and what is left of the rows.
    """
    quantity = _kind(batch) == QUANTITY
    level = _levels(scores, targets, batch)
    rows = OpenRows(
        batch.inputs[0],
        batch.inputs[1],
        batch.coefficient,
        batch.inputs[2][:, EDGE_FEATURES.index("enforces")] > 0,
        batch.inputs[2][:, EDGE_FEATURES.index("negated")] > 0,
        batch.low,
        batch.high,
        batch.state_of_node,
    )
    values = torch.where(quantity, level, binarise(level))
    return batch.share * row_ste_loss(values, rows, ~quantity, batch.num_states).sum()


def _levels(scores: Tensor, targets: Tensor, batch: ModelBatch) -> Tensor:
    """Return float[N'], 0 to 1: the probability of a Boolean, the share of a candidate, the target of a quantity."""
    kind = _kind(batch)
    level = torch.where(kind == QUANTITY, targets, torch.sigmoid(scores))
    candidates = torch.nonzero(kind == CANDIDATE).squeeze(1)
    if not batch.num_choices:
        return level
    choice, own = batch.choice[candidates], scores[candidates]
    share = (own - _log_sum_exp(own, choice, batch.num_choices)[choice]).exp()
    return level.index_put((candidates,), share)


def _kind(batch: ModelBatch) -> Tensor:
    return batch.inputs[3][:, : QUANTITY + 1].argmax(1)


def _log_sum_exp(values: Tensor, segment: Tensor, count: int) -> Tensor:
    """Return float[count], of the values of each segment."""
    top = torch.full((count,), -torch.inf, device=values.device).scatter_reduce(0, segment, values.detach(), "amax")
    odds = (values - top[segment]).exp()
    return values.new_zeros(count).scatter_add(0, segment, odds).log() + top
