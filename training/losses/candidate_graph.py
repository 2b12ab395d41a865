"""Losses on the candidate graph; a batch is a disjoint union, so sums run over groups and states without padding."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_SCORE_LIMIT = 40.0  # exp(40) times any number of candidates is far inside float32
_TINY = 1e-30


def group_cross_entropy(
    scores: Tensor, target: Tensor, edge_candidate: Tensor, edge_group: Tensor, exactly_one: Tensor
) -> Tensor:
    r"""Mean over exactly-one groups of :math:`-\log \sum_{i \in g, t_i = 1} \mathrm{softmax}_g(s)_i`.

    With the candidates of one planted solution as target it is the cross-entropy of each group's marginals; with a set
    of feasible candidates it asks for any of them. A group without a target counts nothing. It is 0 in the limit of
    scores that are +inf on the target alone.

    Args:
        scores: float[N].
        target: float[N], 1 = right, 0 = wrong.
        edge_candidate: int64[E].
        edge_group: int64[E].
        exactly_one: bool[G].
    """
    odds = scores.clamp(-_SCORE_LIMIT, _SCORE_LIMIT).exp()
    zeros = odds.new_zeros(exactly_one.shape[0])
    total = zeros.scatter_add(0, edge_group, odds.gather(0, edge_candidate))
    right = zeros.scatter_add(0, edge_group, (odds * target).gather(0, edge_candidate))
    counted = exactly_one & (right > 0)
    terms = total.clamp(min=_TINY).log() - right.clamp(min=_TINY).log()
    return (terms * counted).sum() / counted.sum().clamp(min=1)


def choice_cross_entropy(scores: Tensor, target: Tensor, state_of: Tensor, num_states: int) -> Tensor:
    r"""Mean over states of :math:`-\log \sum_{t_i = 1} \mathrm{softmax}(s)_i` over all open candidates of the state.

    What a search that takes the most confident pair needs: the best-scored pairs of a state are right.

    Args:
        scores: float[N].
        target: float[N], 1 = right.
        state_of: int64[N], 0..B-1.
        num_states: B.
    """
    odds = scores.clamp(-_SCORE_LIMIT, _SCORE_LIMIT).exp()
    zeros = odds.new_zeros(num_states)
    total = zeros.scatter_add(0, state_of, odds)
    right = zeros.scatter_add(0, state_of, odds * target)
    return (total.clamp(min=_TINY).log() - right.clamp(min=_TINY).log()).mean()


def candidate_binary_cross_entropy(scores: Tensor, target: Tensor) -> Tensor:
    """Binary cross-entropy of float[N] scores, divided by the number of right ones: it makes scores log-odds."""
    terms = functional.binary_cross_entropy_with_logits(scores, target, reduction="sum")
    return terms / target.sum().clamp(min=1)


def refuted_penalty(scores: Tensor, possible: Tensor, num_states: int) -> Tensor:
    r"""Semantic-based regularisation, ``negative`` form: :math:`\sum_i (1 - C_i)\,\sigma(s_i)^2`, mean over states.

    The source of C is a stronger propagator than the search runs, an exact solver, or exhausted subtrees of earlier
    searches (Silvestri, Lombardi and Milano 2021, section 3, with another source of knowledge).

    Args:
        scores: float[N].
        possible: float[N], C: 0 = known to be in no solution of the state.
        num_states: B.
    """
    return ((1 - possible) * torch.sigmoid(scores) ** 2).sum() / num_states
