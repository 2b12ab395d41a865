from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nnsearch.cp
from nnsearch.errors import ConfigError, PoolError
from nnsearch.model.graph import EXACTLY_ONE, CandidateGraph
from nnsearch.problems.latin_square.problem import LatinSquare
from nnsearch.problems.n_queens.problem import QueensBoard, QueensCompletion
from nnsearch.problems.sudoku.problem import SudokuGrid
from nnsearch.scorers.onnx import OnnxScorer
from training.__main__ import main
from training.config import config_of
from training.data.dense_problems import DenseProblem, dense_problem, random_solutions
from training.data.feasibility import forward_checking, propagators_of
from training.data.pools.pool import Pool
from training.tasks.dense_config import DenseConfig
from training.tasks.dense_examples import prepare_dense_data

PROBLEMS: list[DenseProblem] = [LatinSquare(4), SudokuGrid(4), SudokuGrid(9), QueensBoard(4), QueensBoard(7)]


@pytest.mark.parametrize("problem", PROBLEMS)
def test_groups_are_those_of_the_model(problem: DenseProblem) -> None:
    none = np.zeros(problem.num_variables, dtype=np.int64)
    graph = CandidateGraph.from_model(problem.instance("", none, none > 0).build()[0])
    expected = {
        (frozenset(graph.edge_candidate[graph.edge_group == group].tolist()), kind == EXACTLY_ONE)
        for group, kind in enumerate(graph.group_kind)
        if (graph.edge_group == group).sum() > 1
    }
    exactly_one = np.ones(3 * 16) if isinstance(problem, LatinSquare) else problem.exactly_one()
    found = {(frozenset(group.tolist()), bool(one)) for group, one in zip(problem.groups(), exactly_one, strict=True)}
    assert found == expected
    assert problem.num_candidates == problem.num_variables * problem.num_values == graph.num_candidates


@pytest.mark.parametrize("problem", [SudokuGrid(4), SudokuGrid(9), QueensBoard(8)])
def test_random_solutions_are_solutions_and_a_larger_count_begins_with_the_same(problem: Any) -> None:
    solutions = list(random_solutions(problem, 4, seed=3))
    given = np.zeros(problem.num_variables, dtype=np.bool_)
    for values in solutions:
        assert problem.instance("", values.astype(np.int64), given).is_solution(values.tolist())
    np.testing.assert_array_equal(list(random_solutions(problem, 2, seed=3)), solutions[:2])
    assert len({values.tobytes() for values in random_solutions(problem, 8, seed=4)}) > 4


def test_full_forward_checking_of_queens_and_sudoku() -> None:
    queens = np.zeros((1, 16), dtype=np.bool_)
    queens[0, 1] = True  # the queen of the first row in the second column
    left = forward_checking(QueensBoard(4), "full")(queens)[0].reshape(4, 4)
    assert left.astype(int).tolist() == [[0, 0, 0, 0], [0, 0, 0, 1], [1, 0, 1, 0], [1, 0, 1, 1]]
    sudoku = np.zeros((1, 64), dtype=np.bool_)
    sudoku[0, 0] = True  # 1 in the first cell
    left = forward_checking(SudokuGrid(4), "full")(sudoku)[0].reshape(4, 4, 4)[:, :, 0]
    assert left.astype(int).tolist() == [[0, 0, 0, 0], [0, 0, 1, 1], [0, 1, 1, 1], [0, 1, 1, 1]]
    rows = forward_checking(SudokuGrid(4), "rows")(sudoku)[0].reshape(4, 4, 4)[:, :, 0]
    assert rows.astype(int).tolist() == [[0, 0, 0, 0], [1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1]]
    assert propagators_of(SudokuGrid(4)) == ("none", "rows", "full")
    assert propagators_of(QueensBoard(4)) == ("none", "full")


@pytest.mark.parametrize(("kind", "order"), [("sudoku", 4), ("n-queens", 8)])
def test_data_of_other_problems(kind: str, order: int, tmp_path: Path) -> None:
    table = {
        "problem": {"kind": kind, "order": order},
        "pool": {"solutions": 12},
        "data": {"validation_states": 40},
    }
    data = prepare_dense_data(config_of(DenseConfig, table), tmp_path / "pool.npz")
    assert data.problem == dense_problem(kind, order)
    assert (tmp_path / "pool.npz").is_file()
    assert data.validation.labels.any()
    # A label is never on an assigned variable, and never where forward checking rules the candidate out.
    possible = forward_checking(data.problem, "full")(data.validation.assignment)
    assert not (data.validation.labels & ~possible).any()


def test_a_pool_of_something_else_is_refused(tmp_path: Path) -> None:
    Pool(np.tile(np.arange(8), (2, 1)), 0, 8).save(tmp_path / "line.npz")
    table = {"problem": {"kind": "n-queens", "order": 8}, "pool": {"file": str(tmp_path / "line.npz")}}
    with pytest.raises(
        PoolError, match=r"line\.npz: expected solutions of n-queens of order 8; 1 of 1 distinct ones are"
    ):
        prepare_dense_data(config_of(DenseConfig, table), tmp_path / "pool.npz")


def test_a_network_for_queens_is_fitted_exported_and_solves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "queens.toml"
    config.write_text(
        'name = "queens"\n[problem]\nkind = "n-queens"\norder = 8\n[pool]\nsolutions = 12\n'
        '[data]\nvalidation_states = 16\n[network]\nhidden = [8]\n[loss]\npropagator = "full"\n'
        "[train]\npresentations = 64\nbatch_size = 16\n",
        encoding="utf-8",
    )
    assert main(["fit", str(config), "--out", str(tmp_path / "run"), "--device", "cpu"]) == 0
    network = tmp_path / "run" / "queens.onnx"
    metadata = OnnxScorer(network, provider="cpu").metadata
    assert (metadata.problem, metadata.num_variables, metadata.num_values) == ("n-queens", 8, 8)
    instance = QueensCompletion("", 8)
    result = nnsearch.cp.solve(*instance.build(), network)
    assert result.solution is not None
    assert instance.is_solution(result.solution[:8])
    assert main(["evaluate", str(network)]) == 2
    assert "queens.onnx: expected a network for latin-square, got n-queens" in capsys.readouterr().err


@pytest.mark.parametrize(("kind", "order"), [("sudoku", 10), ("sudoku", 1), ("n-queens", 3)])
def test_orders_without_a_problem(kind: str, order: int) -> None:
    with pytest.raises(ConfigError, match=rf"problem.order: expected .* got {order}"):
        dense_problem(kind, order)
