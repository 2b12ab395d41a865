"""The five relations of every loss, for the losses on the candidate graph."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from nnsearch.problems.latin_square.problem import LatinSquare
from training.data.families import LatinSquares, Queens, latin_square_pool
from training.data.graph_states import GraphBatch, TrainingState, batch_of, training_state
from training.losses.candidate_graph import (
    candidate_binary_cross_entropy,
    choice_cross_entropy,
    group_cross_entropy,
    refuted_penalty,
)

Loss = Callable[[Tensor, GraphBatch], Tensor]

LOSSES: dict[str, Loss] = {
    "group": lambda s, b: group_cross_entropy(s, b.holds, b.inputs[0], b.inputs[1], b.exactly_one),
    "choice": lambda s, b: choice_cross_entropy(s, b.holds, b.state_of, b.num_states),
    "candidate": lambda s, b: candidate_binary_cross_entropy(s, b.holds),
    "refuted": lambda s, b: refuted_penalty(s, b.possible, b.num_states),
}
# What each mean runs over, so that a batch is the mean of its singles with these weights.
COUNTED: dict[str, Callable[[GraphBatch], float]] = {
    "group": lambda b: float(b.exactly_one.sum()),
    "choice": lambda b: b.num_states,
    "candidate": lambda b: float(b.holds.sum()),
    "refuted": lambda b: b.num_states,
}
every_loss = pytest.mark.parametrize("name", LOSSES)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def states() -> list[TrainingState]:
    """Open states of two families, with some candidates outside the solution refuted."""
    rng = np.random.default_rng(0)
    families = (LatinSquares(latin_square_pool((5,), 4, 0)), Queens((6,)))
    found: list[TrainingState] = []
    while len(found) < 6:
        planted = families[len(found) % 2].draw(rng, tight=True)
        possible = planted.holds | (rng.random(len(planted.holds)) < 0.7)
        state = training_state(planted, possible)
        if state.state.num_candidates >= 6:
            found.append(state)
    return found


def scores_of(batch: GraphBatch, seed: int = 0) -> Tensor:
    return 3 * torch.randn(len(batch.holds), generator=torch.Generator().manual_seed(seed))


def test_group_cross_entropy_by_hand() -> None:
    scores = torch.tensor([0.0, math.log(3.0), 5.0, 0.0, 0.0])
    target = torch.tensor([0.0, 1.0, 0.0, 1.0, 1.0])
    # Groups {0, 1}, {2, 3, 4} and an at-most-one group {1, 3}; of the second both 3 and 4 will do.
    edge_candidate, edge_group = torch.tensor([0, 1, 2, 3, 4, 1, 3]), torch.tensor([0, 0, 1, 1, 1, 2, 2])
    exactly_one = torch.tensor([True, True, False])
    loss = group_cross_entropy(scores, target, edge_candidate, edge_group, exactly_one)
    expected = (-math.log(3 / 4) - math.log(2 / (2 + math.exp(5)))) / 2
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_a_group_without_a_target_counts_nothing() -> None:
    scores = torch.tensor([0.0, math.log(3.0), 7.0, -7.0], requires_grad=True)
    target = torch.tensor([0.0, 1.0, 0.0, 0.0])
    edges = torch.arange(4), torch.tensor([0, 0, 1, 1])
    loss = group_cross_entropy(scores, target, *edges, torch.tensor([True, True]))
    assert loss.item() == pytest.approx(-math.log(3 / 4), rel=1e-5)
    (gradient,) = torch.autograd.grad(loss, scores)
    assert gradient[2:].tolist() == [0, 0]
    nothing = group_cross_entropy(scores, torch.zeros(4), *edges, torch.tensor([True, True]))
    assert nothing.item() == 0


def test_choice_cross_entropy_by_hand() -> None:
    scores = torch.tensor([0.0, 0.0, math.log(2.0), 1.0, 1.0])
    target = torch.tensor([1.0, 0.0, 1.0, 0.0, 1.0])
    loss = choice_cross_entropy(scores, target, torch.tensor([0, 0, 0, 1, 1]), 2)
    assert loss.item() == pytest.approx((-math.log(3 / 4) - math.log(1 / 2)) / 2, rel=1e-5)


def test_candidate_cross_entropy_by_hand() -> None:
    scores, target = torch.tensor([0.0, math.log(3.0), -math.log(3.0)]), torch.tensor([1.0, 1.0, 0.0])
    expected = -(math.log(1 / 2) + math.log(3 / 4) + math.log(3 / 4)) / 2
    assert candidate_binary_cross_entropy(scores, target).item() == pytest.approx(expected, rel=1e-5)
    assert candidate_binary_cross_entropy(torch.zeros(2), torch.zeros(2)).item() == pytest.approx(
        2 * math.log(2), rel=1e-5
    )


def test_refuted_penalty_by_hand() -> None:
    scores, possible = torch.tensor([0.0, math.log(3.0), 9.0]), torch.tensor([0.0, 0.0, 1.0])
    assert refuted_penalty(scores, possible, 2).item() == pytest.approx((1 / 4 + 9 / 16) / 2, rel=1e-5)
    assert refuted_penalty(scores, torch.ones(3), 1).item() == 0


@every_loss
def test_a_batch_is_the_weighted_mean_of_its_singles(name: str, states: list[TrainingState]) -> None:
    batch = batch_of(states, CPU)
    scores = scores_of(batch)
    whole = LOSSES[name](scores, batch)
    singles = [batch_of([state], CPU) for state in states]
    parts = torch.split(scores, [len(single.holds) for single in singles])
    losses = [LOSSES[name](part, single).item() for part, single in zip(parts, singles, strict=True)]
    weights = [COUNTED[name](single) for single in singles]
    assert sum(weights) == COUNTED[name](batch)
    assert whole.item() == pytest.approx(np.average(losses, weights=weights), rel=1e-4)


@every_loss
@pytest.mark.parametrize("size", [1e3, -1e3, 1e6])
def test_gradients_are_finite_at_extreme_scores(name: str, size: float, states: list[TrainingState]) -> None:
    batch = batch_of(states, CPU)
    for scores in (size * batch.holds, size * (1 - batch.holds), size * torch.ones_like(batch.holds)):
        scores = scores.clone().requires_grad_()
        loss = LOSSES[name](scores, batch)
        (gradient,) = torch.autograd.grad(loss, scores)
        assert torch.isfinite(loss)
        assert torch.isfinite(gradient).all()
        assert loss >= 0


@every_loss
def test_zero_in_the_limit_of_certain_and_right_scores(name: str, states: list[TrainingState]) -> None:
    batch = batch_of(states, CPU)
    right = 1e3 * (2 * batch.holds - 1)
    assert LOSSES[name](right, batch).item() == pytest.approx(0, abs=1e-5)
    assert LOSSES[name](-right, batch).item() > 0.1


def test_the_gradient_of_refuted_candidates_lowers_them_alone(states: list[TrainingState]) -> None:
    batch = batch_of(states, CPU)
    scores = scores_of(batch).requires_grad_()
    (gradient,) = torch.autograd.grad(refuted_penalty(scores, batch.possible, batch.num_states), scores)
    assert torch.equal(gradient > 0, batch.possible == 0)
    assert not gradient[batch.possible > 0].any()


def test_states_without_open_candidates_are_left_out_of_a_batch(states: list[TrainingState]) -> None:
    planted = LatinSquares(latin_square_pool((5,), 4, 0)).draw(np.random.default_rng(1), tight=True)
    solved = training_state(replace(planted, alive=planted.holds))
    assert solved.state.num_candidates == 0
    assert LatinSquare(5).num_candidates == len(planted.holds)
    one, two = batch_of(states, CPU), batch_of([solved, *states, solved], CPU)
    assert one.num_states == two.num_states == len(states)
    assert torch.equal(one.state_of, two.state_of)
