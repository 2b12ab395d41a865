from __future__ import annotations

import hashlib
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from ortools.sat.python import cp_model
from stand_ins import FixedGraphScorer, RandomGraphScorer

from benchmarks.__main__ import main
from benchmarks.records import Record, read_records
from benchmarks.rendering.parts import Table
from benchmarks.studies.label_free.sudoku import study, train
from benchmarks.studies.label_free.sudoku.completion import at_once, by_singles, iterated
from benchmarks.studies.label_free.sudoku.config import SudokuConfig, read_sudoku
from benchmarks.studies.label_free.sudoku.findings import summary
from benchmarks.studies.label_free.sudoku.puzzles import Puzzle, candidate_graph, minimal_puzzle, units
from benchmarks.studies.label_free.training import train as shared
from benchmarks.studies.label_free.training.partial_squares import draw_batch
from benchmarks.studies.label_free.training.train import untrained_network
from nnsearch.cli.command_line import INTERRUPTED
from nnsearch.cpsat import CpSolver
from nnsearch.errors import ConfigError
from nnsearch.model.graph import CandidateGraph
from nnsearch.problems.sudoku import Sudoku
from training import loop

SMALL = {
    "data.puzzles": "8",
    "data.held_out": "2",
    "data.least_candidates": "4",
    "network.blocks": "2",
    "network.rounds": "1",
    "network.hidden": "4",
    "train.steps": "6",
    "train.least_blocks": "1",
    "train.candidates_per_step": "40",
    "train.measure_every": "3",
}


def small(**overrides: str) -> SudokuConfig:
    return read_sudoku(SMALL | {key.replace("__", "."): value for key, value in overrides.items()})


def other_solution(puzzle: Puzzle, given: Any) -> bool:
    model = cp_model.CpModel()
    n = puzzle.order
    cells = [model.new_int_var(1, n, "") for _ in range(n * n)]
    for unit in units(n):
        model.add_all_different([cells[cell] for cell in unit])
    differs = []
    for cell, (value, shown) in enumerate(zip(puzzle.solution.tolist(), given, strict=True)):
        if shown:
            model.add(cells[cell] == value)
        else:
            differs.append(model.new_bool_var(""))
            model.add(cells[cell] != value).only_enforce_if(differs[-1])
    model.add_bool_or(differs)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    return bool(solver.solve(model) != cp_model.INFEASIBLE)


@pytest.mark.parametrize("order", [4, 6])
def test_a_minimal_puzzle_has_one_solution_and_no_given_value_to_spare(order: int) -> None:
    puzzle = minimal_puzzle(order, np.random.default_rng(order))
    for unit in units(order):
        assert sorted(puzzle.solution[list(unit)].tolist()) == list(range(1, order + 1))
    assert not other_solution(puzzle, puzzle.given)
    for cell in np.flatnonzero(puzzle.given):
        fewer = puzzle.given.copy()
        fewer[cell] = False
        assert other_solution(puzzle, fewer)


def test_puzzles_are_a_function_of_the_seed() -> None:
    one, same = (minimal_puzzle(9, np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(one.solution, same.solution)
    assert np.array_equal(one.given, same.given)
    assert not other_solution(one, one.given)


def test_the_graph_is_that_of_the_model() -> None:
    def groups(graph: CandidateGraph) -> set[frozenset[int]]:
        members: dict[int, set[int]] = {}
        for candidate, group in zip(graph.edge_candidate.tolist(), graph.edge_group.tolist(), strict=True):
            members.setdefault(group, set()).add(candidate)
        return set(map(frozenset, members.values()))

    model, _ = Sudoku("", np.zeros((9, 9), dtype=np.int64)).build()
    assert groups(candidate_graph(9)) == groups(CandidateGraph.from_model(model))


def test_completions_follow_the_scores_and_are_checked_by_the_rules() -> None:
    rng = np.random.default_rng(1)
    puzzles = [minimal_puzzle(9, rng) for _ in range(8)]
    graph, alive = candidate_graph(9), [one.open_candidates() for one in puzzles]
    singles = by_singles(graph, alive)
    assert 0 < singles.sum() < len(puzzles)
    for one, puzzle, done in zip(alive, puzzles, singles, strict=True):
        holds = graph.holds(puzzle.solution).astype(np.float32)
        for complete in (at_once, iterated):
            assert complete(graph, [one], FixedGraphScorer(holds)).tolist() == [True]
            # The best value of some cell is wrong, and what is fixed first is.
            assert complete(graph, [one], FixedGraphScorer(-20 * holds)).tolist() == [done]


def test_no_solution_is_shown_but_those_of_the_labels() -> None:
    none, half = (train.draw_sudokus(small(loss__labels=labels)) for labels in ("0.0", "0.5"))
    assert not any(state.holds.any() for state in none)
    shown = [bool(state.holds.any()) for state in half]
    assert 0 < sum(shown) < len(shown)
    assert [state.state.num_candidates for state in half] == [state.state.num_candidates for state in none]


def test_puzzles_that_leave_nothing_open_are_refused() -> None:
    with pytest.raises(ConfigError, match="found none of 2; lower it"):
        train.draw_sudokus(small(data__order="4", data__puzzles="2", data__least_candidates="64"))


@pytest.mark.slow
@pytest.mark.parametrize("start", ["plain", "bp"])
def test_a_killed_training_ends_like_one_that_was_not(
    start: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported: list[Any] = []
    monkeypatch.setattr(shared, "export_graph", lambda network, *_: exported.append(network.state_dict()))
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1.0)
    config = small(network__start=start)
    train.fit_sudoku(config, tmp_path / "whole", "network")
    left = iter(range(4))

    def dying(*arguments: Any) -> Any:
        next(left)  # the fifth batch ends it
        return draw_batch(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(shared, "draw_batch", dying)
        with pytest.raises(StopIteration):
            train.fit_sudoku(config, tmp_path / "parts", "network")
    train.fit_sudoku(config, tmp_path / "parts", "network")
    whole, parts = exported
    assert all(torch.equal(parts[name], tensor) for name, tensor in whole.items())
    for part in ("whole", "parts"):
        assert len((tmp_path / part / "metrics.jsonl").read_text().splitlines()) == 2


def test_shares_of_held_out_puzzles_are_those_of_the_best_values() -> None:
    config = small()
    held_out = train.HeldOut.draw(config)

    class Told(torch.nn.Module):
        def forward(self, *_: torch.Tensor) -> torch.Tensor:
            return held_out.batch.holds

    assert held_out.measure(Told()) == {"cells": 1.0, "clauses": 1.0, "solved": 1.0}
    torch.manual_seed(0)
    guessed = held_out.measure(untrained_network(config.network))
    assert 0 < guessed["cells"] < 1


def test_weights_are_chosen_by_the_rules_and_not_by_solutions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exported: list[Any] = []
    looks = [{"cells": 0.2, "solved": 0.6}, {"cells": 0.9, "solved": 0.5}]
    seen: list[Any] = []

    def measured(_: train.HeldOut, network: torch.nn.Module) -> dict[str, float]:
        seen.append({name: tensor.clone() for name, tensor in network.state_dict().items()})
        return looks[len(seen) - 1]

    monkeypatch.setattr(train.HeldOut, "measure", measured)
    monkeypatch.setattr(shared, "export_graph", lambda network, *_: exported.append(network.state_dict()))
    outcome = train.fit_sudoku(small(), tmp_path, "network")
    assert (outcome.kept, outcome.steps) == (3, 6)
    (kept,) = exported
    assert all(torch.equal(kept[name], tensor) for name, tensor in seen[0].items())
    assert not all(torch.equal(kept[name], tensor) for name, tensor in seen[1].items())


class Stopped:
    """Stands for Ctrl-C in the middle of something: the function is called, then the signal comes, once."""

    def __init__(self, function: Any, after: int) -> None:
        self.function, self.left = function, after

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        self.left -= 1
        if not self.left:
            signal.raise_signal(signal.SIGINT)
        return self.function(*arguments, **named)


# One after the other, in the order in which they come.
MOMENTS = {
    "test boards": (study, "minimal_puzzle", 2),
    "puzzles": (train, "state_of", 3),
    "steps": (shared, "draw_batch", 3),
    "export": (shared, "export_graph", 1),
    "boards": (study, "iterated", 2),
}


@pytest.mark.slow
def test_ctrl_c_at_any_moment_ends_the_study_and_the_same_command_ends_like_one_that_was_not_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def exported(network: torch.nn.Module, *arguments: Any) -> None:
        weights = network.state_dict()
        arguments[-1].write_bytes(b"".join(tensor.numpy().tobytes() for tensor in weights.values()))

    def loaded(specs: list[str], *_: Any) -> list[Any]:
        # Scores hang on the weights, so that boards of other weights are others.
        seeds = [int.from_bytes(hashlib.sha256(Path(one).read_bytes()).digest()[:4], "big") for one in specs]
        return [SimpleNamespace(scorer=RandomGraphScorer(seed)) for seed in seeds]

    budget = study.SudokuBudget(seeds=1, count=2, large=2, overrides=SMALL)
    monkeypatch.setitem(study.BUDGETS, "tiny", budget)
    monkeypatch.setattr(shared, "export_graph", exported)
    monkeypatch.setattr(study, "load_networks", loaded)
    monkeypatch.setattr(study, "_measure_bp", lambda test: {"boards": []})
    steps: list[int] = []

    def counted(*arguments: Any) -> Any:
        steps.append(1)
        return draw_batch(*arguments)

    monkeypatch.setattr(shared, "draw_batch", counted)

    def run(folder: str) -> tuple[int, list[Any]]:
        study._test_puzzles.cache_clear()
        output = tmp_path / folder / "results.jsonl"
        command = ["study", "label-free-sudoku", "--budget", "tiny", "--runs", str(tmp_path / folder)]
        code = main([*command, "--labels", "0.5", "--seeds", "3", "--output", str(output)])
        results = [record["result"] for record in read_records(output)]
        return code, [{name: value for name, value in one.items() if name != "seconds"} for one in results]

    whole = run("whole")
    assert whole[0] == 0
    assert len(whole[1]) == 2
    steps.clear()
    for moment, (module, name, after) in MOMENTS.items():
        with monkeypatch.context() as patched:
            patched.setattr(module, name, Stopped(getattr(module, name), after))
            code, results = run("parts")
        assert code == INTERRUPTED, moment
        assert len(results) == (moment != "test boards")
        err = capsys.readouterr().err
        assert "the same command goes on" in err
        assert moment in ("test boards", "boards") or "bp-0.5-3: network 1 of 1, which first needs 8 sudokus" in err
    assert run("parts") == whole
    assert len(steps) == 6  # none is done again
    assert "6/6 [" in capsys.readouterr().err


def test_seeds_may_be_trained_one_at_a_time_and_shares_of_labels_side_by_side() -> None:
    def arms(**options: Any) -> list[tuple[str, int]]:
        made = study.jobs(study.LabelFreeSudokuStudy(budget="tiny", **options))
        return [(job.config["arm"], job.config["seed"]) for job in made[1:]]

    rules, few, many = "bp, rules alone", "bp, 0.5% of labels", "bp, 50% of labels"
    assert arms() == [(rules, 0)]
    assert arms(seeds=(2,)) == [(rules, 2)]
    assert arms(labels=(0.0, 0.005, 0.5), seeds=(0, 1)) == [
        (arm, seed) for seed in (0, 1) for arm in (rules, few, many)
    ]
    one, *_ = study.jobs(study.LabelFreeSudokuStudy(budget="tiny", labels=(0.5,), seeds=(1,)))[1:]
    all_of_them = study.jobs(study.LabelFreeSudokuStudy(budget="tiny", labels=(0.0, 0.5), seeds=(0, 1)))
    assert one.key in [job.key for job in all_of_them]


def test_tables_have_a_row_for_singles_and_the_mean_over_seeds_of_each_arm_with_its_interval() -> None:
    def record(arm: str, seed: int, iterated: float, **more: Any) -> Record:
        boards = [{"kind": "9 x 9", "singles": 0.4, "at_once": 0.5, "iterated": iterated}]
        config = {"budget": "small", "test": {"count": 10}, "arm": arm, "seed": seed}
        return Record(config=config, result={"boards": boards, **more}, environment={})

    (table,) = summary([record("bp", 0, 0.6), record("net", 0, 0.7), record("net", 1, 0.9)]).blocks
    assert isinstance(table, Table)
    assert [list(row.cells) for row in table.rows] == [
        ["singles alone", *["0.400 [0.168, 0.687]"] * 2, None, None],
        ["bp", "0.500 [0.237, 0.763]", "0.600 [0.313, 0.832]", None, None],
        ["net", "0.500 [0.237, 0.763]", "0.800 [0.490, 0.943]", "0.500 0.500", "0.700 0.900"],
    ]


@pytest.mark.slow
def test_the_study_records_shares_and_a_network_that_solves(tmp_path: Path) -> None:
    output = tmp_path / "results.jsonl"
    command = ["study", "label-free-sudoku", "--budget", "tiny", "--runs", str(tmp_path), "--output", str(output)]
    assert main([*command, "--labels", "0", "0.5"]) == 0
    bp, rules, labels = read_records(output)
    assert [record["config"]["arm"] for record in (bp, rules, labels)] == ["bp", "bp, rules alone", "bp, 50% of labels"]
    for record in (bp, rules, labels):
        for board in record["result"]["boards"]:
            assert 0 <= board["singles"] <= board["at_once"] <= 1
            assert board["singles"] <= board["iterated"] <= 1
    (file,) = (tmp_path / "tiny" / "bp-0-0").glob("*.onnx")
    model, _ = Sudoku("", np.zeros((4, 4), dtype=np.int64)).build()
    solver = CpSolver(str(file))
    assert solver.solve(model) == cp_model.OPTIMAL
