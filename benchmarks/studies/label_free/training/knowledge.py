"""What the loss of a training knows: the clauses alone, or one of the labels and constraints of the other paper.

Every function returns the loss of one batch as a function of scores, float32[N] -> scalar, so that what does not depend
on the scores is made once for all blocks of a network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from benchmarks.studies.label_free.training.clauses import clauses_of, variable_group
from benchmarks.studies.label_free.training.config import LabelFreeLossConfig
from nnsearch.encoding.candidate_graph import GraphState, disjoint_union
from training.data.graph_states import GraphBatch, TrainingState
from training.losses.candidate_graph import choice_cross_entropy
from training.losses.cnf_ste import ClauseMatrix, binarise, bound, cnf_loss
from training.losses.dense import semantic_based_regularisation
from training.tasks.graph import graph_loss
from training.tasks.graph_config import GraphLossConfig

BatchLoss = Callable[[Tensor], Tensor]
"""Scores, float32[N] -> a scalar."""

_SCORE_LIMIT = 40.0  # exp(40) times any number of values is far inside float32
_PLANTED = GraphLossConfig(group=1.0, choice=0.0, candidate=0.1, refuted=0.0)  # as models/universal.onnx was trained


def batch_loss(
    config: LabelFreeLossConfig, states: Sequence[TrainingState], batch: GraphBatch, rng: np.random.Generator
) -> BatchLoss:
    """Return the loss of a batch under the knowledge of a config; ``agn`` and ``sbr`` remove the same pairs."""
    match config.knowledge:
        case "clauses":
            return clause_loss([one.state for one in states], config.bound)
        case "planted":
            return lambda scores: graph_loss(scores, batch, _PLANTED)
        case "sbr":
            return removed_pair_loss(batch, rng, config.regularisation)
        case _:
            return removed_pair_loss(batch, rng, 0.0)


def clause_loss(states: Sequence[GraphState], weight_of_bound: float) -> BatchLoss:
    """Return L_cnf + weight * L_bound (Yang, Lee and Park 2022, equations 5 to 9): no solution takes part.

    Probabilities are a softmax over the open values of each variable, binarised at one half. Each state is an example,
    so its averages run over its own clauses: one that is nearly right weighs as much as one that is all wrong. The
    deduce term is 0, for propagation leaves no clause with one open literal.
    """
    union = disjoint_union(states)
    clauses = clauses_of(union)
    state_of = np.repeat(np.arange(len(states)), [state.num_candidates for state in states])
    matrix = ClauseMatrix.of(clauses, part=state_of[np.abs(clauses.literals[clauses.offset[:-1]]) - 1])
    facts = torch.zeros(1, union.num_candidates)  # what is known is not among the open candidates
    variable = torch.from_numpy(variable_group(union))  # [N]
    num_groups = len(union.group_features)

    def loss(scores: Tensor) -> Tensor:
        odds = scores.clamp(-_SCORE_LIMIT, _SCORE_LIMIT).exp()
        total = odds.new_zeros(num_groups).scatter_add(0, variable, odds)
        values = binarise(odds / total.gather(0, variable), "probability")
        return cnf_loss(values.unsqueeze(0), facts, matrix).total() + weight_of_bound * bound(scores)

    return loss


def removed_pair_loss(batch: GraphBatch, rng: np.random.Generator, regularisation: float) -> BatchLoss:
    """Return the cross-entropy of the pair that was removed last, + weight * SBR (Silvestri et al. 2021, section 3).

    The pair is a random one of the solution among the open candidates of its state: any of them may have been the last
    that deconstruction removed. SBR is its form mse; with weight 0 the network is the paper's agnostic one. The
    propagator of the paper, forward checking, has nothing to say here: a search state is propagated, and every open
    candidate is possible to it. So SBR knows what a stronger propagator refutes, singleton consistency.
    """
    held = np.flatnonzero(batch.holds.numpy() > 0)
    shuffled = rng.permutation(held)
    removed = shuffled[np.unique(batch.state_of.numpy()[shuffled], return_index=True)[1]]  # one of each state
    target = torch.zeros_like(batch.holds)
    target[torch.from_numpy(removed)] = 1.0

    def loss(scores: Tensor) -> Tensor:
        total = choice_cross_entropy(scores, target, batch.state_of, batch.num_states)
        if regularisation:
            summed = semantic_based_regularisation(scores.unsqueeze(0), batch.possible.unsqueeze(0))
            total = total + regularisation * summed / batch.num_states
        return total

    return loss
