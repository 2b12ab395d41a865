from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from benchmarks.studies.label_free.training import train
from benchmarks.studies.label_free.training.clauses import clauses_of, variable_group
from benchmarks.studies.label_free.training.config import KNOWLEDGE, LabelFreeConfig, read_label_free
from benchmarks.studies.label_free.training.knowledge import batch_loss, clause_loss
from benchmarks.studies.label_free.training.message_passing import MessagePassing
from benchmarks.studies.label_free.training.partial_squares import draw_batch, draw_squares
from nnsearch.encoding.candidate_graph import disjoint_union, encode
from nnsearch.errors import ConfigError, PoolError
from nnsearch.model.graph import CandidateGraph
from nnsearch.problems.latin_square.problem import LatinSquare
from training import loop
from training.data.graph_states import PlantedState, TrainingState, batch_of, planted_state, training_state
from training.data.pools.jacobson_matthews import JacobsonMatthews
from training.losses.cnf import from_model
from training.losses.cnf_ste import ClauseMatrix, cnf_loss

SMALL = {
    "data.orders": "[5, 6]",
    "data.squares": "12",
    "data.least_candidates": "6",
    "network.blocks": "2",
    "network.rounds": "2",
    "network.hidden": "6",
    "train.steps": "6",
    "train.candidates_per_step": "60",
}
CPU = torch.device("cpu")


def small(**overrides: str) -> LabelFreeConfig:
    return read_label_free(SMALL | {key.replace("__", "."): value for key, value in overrides.items()})


@pytest.fixture(scope="module")
def states() -> list[TrainingState]:
    return draw_squares(small(loss__knowledge="sbr"))


@settings(max_examples=25, deadline=None)
@given(order=st.integers(3, 6), seed=st.integers(0, 2**16), holes=st.floats(0.4, 1.0))
def test_clauses_of_a_state_are_the_open_clauses_of_the_model(order: int, seed: int, holes: float) -> None:
    rng = np.random.default_rng(seed)
    model, _ = LatinSquare(order).build()
    graph, cnf = CandidateGraph.from_model(model), from_model(model, each_value=True)
    square = JacobsonMatthews(order, seed).sample(1)[0].astype(np.int64)
    alive = planted_state(graph, square.ravel() - square.min() + 1, rng.random(order**2) > holes).alive
    state = encode(graph, alive)
    is_open = np.zeros(order**3, dtype=bool)
    is_open[state.candidate] = True
    facts = torch.from_numpy(np.where(is_open, 0, np.where(alive, 1, -1)))[None]
    values = torch.from_numpy(np.where(is_open, rng.random(order**3) < 0.3, alive).astype(np.float32))[None]
    whole, part = values.clone().requires_grad_(), values[:, is_open].clone().requires_grad_()
    expected = cnf_loss(whole, facts, ClauseMatrix.of(cnf), open_only=True)
    got = cnf_loss(part, torch.zeros_like(part), ClauseMatrix.of(clauses_of(state)))
    for name in ("deduce", "unsat", "keep"):
        torch.testing.assert_close(getattr(got, name), getattr(expected, name))
    assert got.deduce.item() == 0  # no clause has one open literal after propagation
    (of_whole,) = torch.autograd.grad(expected.total(), whole)
    (of_part,) = torch.autograd.grad(got.total(), part)
    torch.testing.assert_close(of_part, of_whole[:, is_open])


def test_the_planted_solution_satisfies_the_clauses_of_a_union(states: list[TrainingState]) -> None:
    union = clauses_of(disjoint_union([one.state for one in states]))
    assert union.num_clauses == sum(clauses_of(one.state).num_clauses for one in states)
    holds = np.concatenate([one.holds for one in states])
    assert union.satisfied(holds[None]).all()
    assert not union.satisfied(~holds[None]).all()


def loss_and_gradient(config: LabelFreeConfig, states: list[TrainingState]) -> tuple[float, Tensor]:
    batch = batch_of(states, CPU)
    scores = torch.linspace(-3, 3, len(batch.holds)).requires_grad_()
    loss = batch_loss(config.loss, states, batch, np.random.default_rng(3))(scores)
    return loss.item(), torch.autograd.grad(loss, scores)[0]


@pytest.mark.parametrize("knowledge", KNOWLEDGE)
def test_the_loss_of_clauses_and_no_other_is_the_same_without_solutions(
    knowledge: str, states: list[TrainingState]
) -> None:
    config = small(loss__knowledge=knowledge)
    loss, gradient = loss_and_gradient(config, states)
    assert np.isfinite(loss)
    assert gradient.abs().sum() > 0
    rng = np.random.default_rng(0)
    wrong = [replace(one, holds=rng.permutation(one.holds), possible=~one.possible) for one in states]
    other, other_gradient = loss_and_gradient(config, wrong)
    assert (loss == other and torch.equal(gradient, other_gradient)) == (knowledge == "clauses")


def test_the_loss_of_clauses_is_the_mean_over_states(states: list[TrainingState]) -> None:
    scores = torch.linspace(-3, 3, sum(one.state.num_candidates for one in states)).requires_grad_()
    together = clause_loss([one.state for one in states], 0.0)(scores)
    (gradient,) = torch.autograd.grad(together, scores)
    parts = torch.split(scores.detach(), [one.state.num_candidates for one in states])
    alone = []
    for one, part in zip(states, parts, strict=True):
        own = part.clone().requires_grad_()
        loss = clause_loss([one.state], 0.0)(own)
        alone.append((loss.detach(), torch.autograd.grad(loss, own)[0]))
    torch.testing.assert_close(together.detach(), torch.stack([loss for loss, _ in alone]).mean())
    torch.testing.assert_close(gradient, torch.cat([of_state for _, of_state in alone]) / len(states))


def test_clauses_are_satisfied_by_scores_of_the_solution_alone(states: list[TrainingState]) -> None:
    batch = batch_of(states, CPU)
    config = small(loss__bound="0.0").loss
    loss = batch_loss(config, states, batch, np.random.default_rng(0))
    assert loss(20 * batch.holds).item() == 0
    wrong = [clause_loss([one.state], 0.0)(-20 * torch.from_numpy(one.holds).float()).item() for one in states]
    assert {*wrong} == {0, 1}, "of some states another solution holds all that this one does not"
    assert loss(-20 * batch.holds).item() == pytest.approx(np.mean(wrong))


def test_the_level_of_a_variables_scores_is_nothing_to_clauses(states: list[TrainingState]) -> None:
    # So a network that learned from clauses alone says nothing by it; see benchmarks.studies.label_free.
    # value_probabilities.
    batch = batch_of(states, CPU)
    loss = batch_loss(small(loss__bound="0.0").loss, states, batch, np.random.default_rng(0))
    union = disjoint_union([one.state for one in states])
    rng = np.random.default_rng(1)
    scores = 4 * batch.holds + torch.from_numpy(rng.normal(size=union.num_candidates).astype(np.float32))
    level = rng.normal(scale=5, size=len(union.group_features)).astype(np.float32)
    moved = scores + torch.from_numpy(level[variable_group(union)])
    of_scores, of_moved = (
        torch.autograd.grad(loss(read), read)[0] for read in (scores.requires_grad_(), moved.detach().requires_grad_())
    )
    torch.testing.assert_close(loss(moved), loss(scores))
    torch.testing.assert_close(of_moved, of_scores, rtol=1e-3, atol=1e-7)
    assert of_scores.abs().max() > 1e-3


def test_the_removed_pair_is_one_of_the_solution_in_each_state(states: list[TrainingState]) -> None:
    batch = batch_of(states, CPU)
    open_candidates = torch.bincount(batch.state_of).float()
    agn = small(loss__knowledge="agn").loss
    drawn = torch.zeros_like(batch.holds)
    for seed in range(50):
        scores = torch.zeros_like(batch.holds).requires_grad_()
        loss = batch_loss(agn, states, batch, np.random.default_rng(seed))(scores)
        assert loss.item() == pytest.approx(open_candidates.log().mean().item())
        pair = torch.autograd.grad(loss, scores)[0] < 0
        assert torch.bincount(batch.state_of[pair], minlength=len(states)).tolist() == [1] * len(states)
        drawn += pair
    assert bool((drawn[batch.holds == 0] == 0).all())
    assert (drawn[batch.holds > 0] > 0).float().mean() > 0.9  # any of them


def test_regularisation_is_added_to_the_same_pair(states: list[TrainingState]) -> None:
    batch = batch_of(states, CPU)
    scores = torch.linspace(-2, 2, len(batch.holds))
    config = small(loss__knowledge="sbr", loss__regularisation="0.5").loss
    pair = batch_loss(replace(config, knowledge="agn"), states, batch, np.random.default_rng(1))(scores)
    both = batch_loss(config, states, batch, np.random.default_rng(1))(scores)
    expected = 0.5 * ((batch.possible - scores.sigmoid()) ** 2).sum() / len(states)
    assert (both - pair).item() == pytest.approx(expected.item(), rel=1e-4)


def test_knowledge_is_asked_about_the_same_squares(states: list[TrainingState]) -> None:
    for knowledge in KNOWLEDGE:
        others = draw_squares(small(loss__knowledge=knowledge))
        for one, other in zip(states, others, strict=True):
            np.testing.assert_array_equal(one.state.candidate, other.state.candidate)
            np.testing.assert_array_equal(one.holds, other.holds)
    refuted = sum(int((~one.possible).sum()) for one in states)
    assert refuted > 0  # or regularisation has nothing to say
    assert all(one.possible[one.holds].all() for one in states)
    assert draw_squares(small(seed="1"))[0].state.num_candidates != states[0].state.num_candidates


def test_batches_are_large_enough_and_no_larger(states: list[TrainingState]) -> None:
    batch = draw_batch(states, 60, np.random.default_rng(0))
    sizes = [one.state.num_candidates for one in batch]
    assert sum(sizes) >= 60 > sum(sizes[:-1])


def test_squares_that_leave_too_little_open_are_an_error() -> None:
    with pytest.raises(PoolError, match="expected partial squares of orders 5, 6 with 1000 open candidates, found 0"):
        draw_squares(small(data__squares="2", data__least_candidates="1000"))


@torch.no_grad()
def test_message_passing_sees_the_graph_and_nothing_else(states: list[TrainingState]) -> None:
    torch.manual_seed(0)
    network = MessagePassing(blocks=2, rounds=2, hidden=8)
    torch.nn.init.normal_(network.start_candidate)
    one, other = (batch_of([state], CPU).inputs for state in states[:2])
    both = network(*batch_of(states[:2], CPU).inputs)
    torch.testing.assert_close(both, torch.cat([network(*one), network(*other)]))
    candidates, groups, features, places = one
    order = torch.randperm(len(places))
    edges = torch.randperm(len(candidates))
    shuffled = network(order[candidates][edges], groups[edges], features, torch.rand_like(places))
    torch.testing.assert_close(shuffled[order], network(*one), rtol=1e-4, atol=1e-5)
    assert network(*one).std() > 0
    graph = CandidateGraph.from_model(LatinSquare(4).build()[0])
    empty = training_state(PlantedState(graph, np.ones(64, dtype=bool), np.ones(64, dtype=bool)))
    assert network(*batch_of([empty], CPU).inputs).std() < 1e-5  # all candidates of an empty square are alike


@pytest.mark.parametrize("start", ["plain", "bp"])
def test_an_interrupted_training_ends_like_one_that_was_not(
    start: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported: list[Any] = []
    monkeypatch.setattr(train, "export_graph", lambda network, *_: exported.append(network.state_dict()))
    config = small(network__start=start)
    train.fit(config, tmp_path / "whole", "network")

    class Interrupted:
        def __init__(self) -> None:
            self.presses = itertools.count(1)

        def __enter__(self) -> Interrupted:
            return self

        def __exit__(self, *_: object) -> None: ...

        def __call__(self) -> bool:
            return next(self.presses) == 4

    with monkeypatch.context() as patched:
        patched.setattr(loop, "DeferredInterrupt", Interrupted)
        with pytest.raises(KeyboardInterrupt):
            train.fit(config, tmp_path / "parts", "network")
    outcome = train.fit(config, tmp_path / "parts", "network")
    assert outcome.steps == 6
    whole, parts = exported
    assert outcome.parameters == sum(tensor.numel() for tensor in whole.values())
    for name, tensor in whole.items():
        torch.testing.assert_close(parts[name], tensor, rtol=0, atol=0)
    with pytest.raises(ConfigError, match="holds another training"):
        train.fit(small(network__start=start, seed="1"), tmp_path / "parts", "network")


class Killed(BaseException):
    """Stands for a process that is gone: nothing catches it."""


@pytest.mark.parametrize("step", [0, 3, 5])
def test_a_killed_training_ends_like_one_that_was_not(
    step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported: list[Any] = []
    monkeypatch.setattr(train, "export_graph", lambda network, *_: exported.append(network.state_dict()))
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1.0)
    config = small(network__start="plain")
    train.fit(config, tmp_path / "whole", "network")
    calls = itertools.count()

    def dying(*arguments: Any) -> list[TrainingState]:
        if next(calls) == step:
            raise Killed
        return draw_batch(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(train, "draw_batch", dying)
        with pytest.raises(Killed):
            train.fit(config, tmp_path / "parts", "network")
    train.fit(config, tmp_path / "parts", "network")
    whole, parts = exported
    assert all(torch.equal(parts[name], tensor) for name, tensor in whole.items())


def test_a_training_lowers_its_loss() -> None:
    config = small(train__steps="40", train__learning_rate="0.02", data__squares="4")
    states = draw_squares(config)
    batch = batch_of(states, CPU)
    torch.manual_seed(0)
    network = train.untrained_network(config.network)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    loss_of = batch_loss(replace(config.loss, knowledge="planted"), states, batch, np.random.default_rng(0))
    losses = []
    for _ in range(40):
        loss = loss_of(network.all_blocks(*batch.inputs)[-1])
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.02


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ({"network.start": "cnn"}, "network.start: expected plain or bp, got 'cnn'"),
        ({"loss.knowledge": "all"}, "loss.knowledge: expected one of clauses, agn, sbr, planted, got 'all'"),
        ({"loss.bound": "-1.0"}, "loss.bound: expected 0 or more, got -1.0"),
        ({"data.orders": "[2]"}, "data.orders: expected 3 to 40"),
        ({"data.tight": "2.0"}, "data.tight: expected a share"),
        ({"data.squares": "0"}, "data.squares: expected 1 or more, got 0"),
        ({"train.steps": "0"}, "train.steps: expected 1 or more, got 0"),
        ({"train.clip": "0.0"}, "train.clip: expected above 0"),
        ({"train.colour": "1"}, "unknown key 'train.colour'"),
    ],
)
def test_malformed_configs(override: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace("[", r"\[")):
        read_label_free(override)
