from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ortools.sat.python import cp_model

from nnsearch.errors import PoolError
from nnsearch.model.graph import CandidateGraph
from nnsearch.scorers.onnx import OnnxScorer
from training.config import config_of
from training.data.model_states import model_batch_of
from training.data.solved_models import read_folder, solutions_file, write_solutions
from training.export.export import export_model_graph, model_graph_metadata
from training.tasks import model_graph as trainer
from training.tasks.model_graph import fit_model_graph
from training.tasks.model_graph_config import ModelGraphConfig
from training.tasks.model_graph_source import prepare_models


class Killed(BaseException):
    """Stands for a process that is gone: nothing catches it."""


@pytest.fixture(autouse=True, scope="module")
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def dearest(seed: int) -> tuple[cp_model.CpModel, list[int]]:
    """Choose 4 of 12 things: those of the largest coefficients, whatever their place."""
    worth = np.random.default_rng(seed).permutation(np.arange(1, 13)).tolist()
    model = cp_model.CpModel()
    taken = [model.new_bool_var(f"x{i}") for i in range(12)]
    model.add(sum(taken) <= 4)
    model.maximize(cp_model.LinearExpr.weighted_sum(taken, worth))
    return model, [int(value > 8) for value in worth]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("family")
    for seed in range(20):
        model, best = dearest(seed)
        path = folder / f"m{seed:02d}.pb"
        model.export_to_file(str(path))
        write_solutions(path, np.array([best]), np.array([np.nan]))
    return folder


def config(folder: Path, steps: int, every: int = 4) -> ModelGraphConfig:
    table: dict[str, Any] = {
        "name": "tiny",
        "data": {"models": str(folder)},
        "network": {"rounds": 1, "hidden": 16, "messages": 4},
        "train": {
            "steps": steps,
            "edges_per_step": 100,
            "learning_rate": 0.01,
            "evaluate_every": every,
            "threads": 1,
            "device": "cpu",
            "patience": 0,
        },
    }
    return config_of(ModelGraphConfig, table)


@pytest.mark.slow
def test_the_network_learns_what_coefficients_decide_and_is_exported(folder: Path, tmp_path: Path) -> None:
    outcome = fit_model_graph(config(folder, 150, 50), tmp_path / "run")
    assert outcome.measured["right"] > 0.9  # all at 0 would be 2/3
    path = tmp_path / "tiny.onnx"
    export_model_graph(
        outcome.network, model_graph_metadata(config(folder, 150), outcome), outcome.data.parity_states(), path
    )
    model, best = dearest(1000)
    graph = CandidateGraph.from_model(model)
    advice = OnnxScorer(path, "cpu").prepare(graph).advise(np.ones((1, graph.num_candidates), dtype=bool))
    assert ((advice.scores[0][1::2] > 0) == best).mean() > 0.9


def test_a_killed_run_ends_as_one_that_was_not(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fit_model_graph(config(folder, 12), tmp_path / "whole")
    calls = 0

    def batch_and_die(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > len(whole.data.validation) + 7:
            raise Killed
        return model_batch_of(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(trainer, "model_batch_of", batch_and_die)
        with pytest.raises(Killed):
            fit_model_graph(config(folder, 12), tmp_path / "killed")
    again = fit_model_graph(config(folder, 12), tmp_path / "killed")
    assert (again.steps, again.measured) == (12, whole.measured)
    weights = zip(again.network.parameters(), whole.network.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in weights)


def test_a_run_that_is_interrupted_before_it_was_measured(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0

    def batch_and_stop(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == held_out + 2:
            signal.raise_signal(signal.SIGINT)
        return model_batch_of(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(trainer, "model_batch_of", batch_and_stop)
        held_out = len(prepare_models(config(folder, 12)).validation)
        calls = 0
        outcome = fit_model_graph(config(folder, 12, every=6), tmp_path / "run")
    assert (outcome.interrupted, outcome.measured) == (True, {})
    assert 0 < outcome.steps < 6
    again = fit_model_graph(config(folder, 12, every=6), tmp_path / "run")
    assert (again.interrupted, again.steps) == (False, 12)


@pytest.mark.parametrize(
    ("solution", "phrase"),
    [
        ([1] * 11, "expected 12 values in each solution, got 11"),
        ([2] + [0] * 11, "expected values of the model's domains, solution 0 has another of x0"),
        ([1] * 12, "expected solutions of this model, solution 0 violates constraint 0"),
    ],
)
def test_solutions_of_another_model_are_refused(solution: list[int], phrase: str, tmp_path: Path) -> None:
    path = tmp_path / "m.pb"
    dearest(0)[0].export_to_file(str(path))
    write_solutions(path, np.array([solution]), np.array([0.0]))
    with pytest.raises(PoolError, match=phrase):
        fit_model_graph(config(tmp_path, 1), tmp_path / "run")
    solutions_file(path).write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(PoolError, match="expected solutions int64"):
        fit_model_graph(config(tmp_path, 1), tmp_path / "run")


@pytest.mark.parametrize(
    ("add", "wrong"),
    [
        (lambda model, a, b: model.add_bool_or(a, ~b), [0, 1]),
        (lambda model, a, b: model.add_bool_and(a, ~b), [1, 1]),
        (lambda model, a, b: model.add_at_most_one(a, ~b), [1, 0]),
        (lambda model, a, b: model.add_exactly_one(a, b), [0, 0]),
    ],
)
def test_solutions_that_violate_a_constraint_of_literals_are_refused(
    add: Any, wrong: list[int], tmp_path: Path
) -> None:
    model = cp_model.CpModel()
    a, b = (model.new_bool_var(name) for name in "ab")
    model.add(a + b >= 0)
    add(model, a, b)
    model.minimize(a + 2 * b)
    path = tmp_path / "m.pb"
    model.export_to_file(str(path))
    right = [[x, y] for x in (0, 1) for y in (0, 1) if holds(model, [x, y])]
    assert right
    assert wrong not in right
    write_solutions(path, np.array(right), np.full(len(right), np.nan))
    assert len(read_folder(tmp_path, relaxed=False)[0].solutions) == len(right)
    write_solutions(path, np.array([right[0], wrong]), np.zeros(2))
    with pytest.raises(PoolError, match="expected solutions of this model, solution 1 violates constraint 1"):
        read_folder(tmp_path, relaxed=False)


def test_objectives_that_are_not_those_of_the_solutions_are_refused(tmp_path: Path) -> None:
    model, best = dearest(0)
    path = tmp_path / "m.pb"
    model.export_to_file(str(path))
    none = [0] * 12
    write_solutions(path, np.array([best, none]), np.array([42.0 + 1e-9, 0.0]))
    assert read_folder(tmp_path, relaxed=False)[0].gaps.tolist() == pytest.approx([0, 1])
    write_solutions(path, np.array([best, none]), np.array([42.0, 7.0]))
    with pytest.raises(PoolError) as error:
        read_folder(tmp_path, relaxed=False)
    assert str(error.value) == (
        f"{solutions_file(path)}: expected the objectives of the solutions, 0 for solution 1, found 7; "
        "leave them NaN, or make the file again: python -m training solve"
    )


def holds(model: cp_model.CpModel, values: list[int]) -> bool:
    fixed = model.clone()
    for index, value in enumerate(values):
        fixed.add(fixed.get_int_var_from_proto_index(index) == value)
    return bool(cp_model.CpSolver().solve(fixed) == cp_model.OPTIMAL)
