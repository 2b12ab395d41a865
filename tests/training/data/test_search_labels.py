from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from ortools.sat.python import cp_model
from stand_ins import RandomGraphScorer

from nnsearch.cp.policy import InferencePolicy
from nnsearch.cp.restarts import Restarts
from nnsearch.encoding.candidate_graph import GraphState
from nnsearch.errors import PoolError
from nnsearch.model.graph import CandidateGraph
from nnsearch.problems import Problem
from training.data.families import planted_instances
from training.data.graph_states import BoolArray, TrainingState
from training.data.search_labels import Visited, labelled_states, read_labels, save_labels, search_and_record

FIELDS = ("edge_candidate", "edge_group", "group_features", "candidate_features", "candidate", "identity")
Planted = tuple[Problem, npt.NDArray[np.int64]]


class RandomScorer(RandomGraphScorer):
    """Scores that lead a search astray, and again differently after every failure."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.rng = np.random.default_rng(seed)

    def scores(self, state: GraphState) -> npt.NDArray[np.float32]:
        return self.rng.standard_normal(state.num_candidates, np.float32)


class Fixed:
    """A model in which candidates can be forced."""

    def __init__(self, model: cp_model.CpModel) -> None:
        self.model = model
        self.variables = [model.get_int_var_from_proto_index(i) for i in range(len(model.proto.variables))]

    def has_solution(self, graph: CandidateGraph, alive: BoolArray, candidate: int | None = None) -> bool:
        model = self.model.clone()
        for index in range(graph.num_variables):
            values = graph.values[alive & (graph.variable == index)].tolist()
            if candidate is not None and graph.variable[candidate] == index:
                values = [int(graph.values[candidate])]
            model.add_allowed_assignments([model.get_int_var_from_proto_index(index)], [(value,) for value in values])
        solver = cp_model.CpSolver()
        solver.parameters.num_workers = 1
        return bool(solver.solve(model) == cp_model.OPTIMAL)


def searched(seed: int, failures: int, restarts: Restarts | None, order: int = 10) -> tuple[Planted, Visited]:
    """A tight square and what a search led by random scores leaves behind."""
    ((instance, planted),) = planted_instances(f"latin-square:{order}:0.6:1", seed)
    model = instance.build()[0]
    policy = InferencePolicy(3, after_failure=True)
    return (instance, planted), search_and_record(
        model, RandomScorer(seed), failures=failures, policy=policy, restarts=restarts
    )


def alive_of(visited: Visited, state: TrainingState) -> BoolArray:
    """The state in the graph of the model again: the one that was visited with these open candidates."""
    graph = visited.graph
    for packed in visited.alive:
        alive = np.unpackbits(packed, count=graph.num_candidates) > 0
        is_open = alive & (graph.count(alive) > 1)[graph.variable]
        if np.array_equal(np.flatnonzero(is_open), state.state.candidate):
            return alive
    raise AssertionError("a state that the search did not visit")


@pytest.mark.parametrize("restarts", [None, Restarts(2, growth=1.5)], ids=["", "restarts"])
@pytest.mark.parametrize("failures", [3, 60])
def test_labels_are_true(failures: int, restarts: Restarts | None) -> None:
    refuted = states = 0
    for seed in range(40):
        (instance, planted), visited = searched(seed, failures, restarts, order=8 + 2 * (seed % 3 > 0))
        assert len(visited.alive) == len(visited.chosen) == len(visited.refuted)
        if visited.solution is not None:
            assert instance.is_solution(visited.solution)
        fixed = Fixed(instance.build()[0])
        solutions = [planted] + ([np.array(visited.solution)] if visited.solution is not None else [])
        rows = [visited.graph.candidates_of(solution) for solution in solutions]
        for state in labelled_states(visited, planted, 40, np.random.default_rng(seed)):
            states += 1
            alive = alive_of(visited, state)
            holding = set(state.state.candidate[state.holds].tolist())
            assert any(alive[row].all() and holding <= set(row.tolist()) for row in rows)
            assert len(holding) == (visited.graph.count(alive) > 1).sum()
            assert state.possible[state.holds].all()
            for candidate in state.state.candidate[~state.possible].tolist():
                refuted += 1
                if refuted <= 60:
                    assert not fixed.has_solution(visited.graph, alive, candidate)
    assert states > 20
    assert refuted > 2


@pytest.mark.parametrize("failures", [2, 3, 5, 8, 60])
def test_every_recorded_refutation_is_true_whenever_the_search_ends(failures: int) -> None:
    """States without a known solution are no labels, but what was proved in them holds too."""
    checked = 0
    for seed in range(8):
        (instance, _), visited = searched(seed, failures, Restarts(1, growth=1.3))
        assert visited.failures <= failures + 1
        fixed = Fixed(instance.build()[0])
        for packed, chosen, refuted in zip(visited.alive, visited.chosen, visited.refuted, strict=True):
            if refuted:
                alive = np.unpackbits(packed, count=visited.graph.num_candidates) > 0
                assert alive[chosen]
                assert not fixed.has_solution(visited.graph, alive, chosen)
                checked += 1
    assert checked > 0


def test_a_solution_that_the_search_found_labels_where_the_planted_one_is_gone() -> None:
    for seed in range(30):
        (_, planted), visited = searched(seed, 200, None)
        if visited.solution is None or np.array_equal(visited.solution, planted):
            continue
        states = list(labelled_states(visited, planted, 1000, np.random.default_rng(0)))
        found = set(visited.graph.candidates_of(visited.solution).tolist())
        other = set(visited.graph.candidates_of(planted).tolist())
        labels = [set(one.state.candidate[one.holds].tolist()) for one in states]
        if any(label <= found and not label <= other for label in labels):
            return
    raise AssertionError("expected a search that left the planted solution")


def test_the_number_of_states_and_the_generator_decide() -> None:
    (_, planted), visited = searched(1, 60, Restarts(5))

    def kept(most: int, seed: int = 0) -> list[TrainingState]:
        return list(labelled_states(visited, planted, most, np.random.default_rng(seed)))

    everything = kept(10**6)
    assert len(everything) > 3
    assert len(kept(3)) == 3
    assert len({state.state.candidate.tobytes() for state in everything}) == len(everything)
    proved = [not state.possible.all() for state in everything]
    assert proved == sorted(proved, reverse=True)  # those with a refuted decision first
    first = [state.state.candidate.tobytes() for state in kept(3)]
    assert first == [state.state.candidate.tobytes() for state in kept(3)]


@pytest.fixture(scope="module")
def labels() -> list[TrainingState]:
    states: list[TrainingState] = []
    for seed in range(4):
        (_, planted), visited = searched(seed, 30, Restarts(10))
        states += labelled_states(visited, planted, 5, np.random.default_rng(seed))
    assert len(states) > 3
    return states


def test_round_trip(labels: list[TrainingState], tmp_path: Path) -> None:
    path = tmp_path / "labels.npz"
    save_labels(labels, path)
    read = read_labels(path)
    for one, two in zip(labels, read, strict=True):
        pairs: list[tuple[npt.NDArray[Any], npt.NDArray[Any]]]
        pairs = [(getattr(one.state, name), getattr(two.state, name)) for name in FIELDS]
        for before, after in [*pairs, (one.holds, two.holds), (one.possible, two.possible)]:
            assert before.dtype == after.dtype
            assert np.array_equal(before, after)
    assert [path.name for path in tmp_path.iterdir()] == ["labels.npz"]


def test_damaged_and_foreign_files_are_one_line(labels: list[TrainingState], tmp_path: Path) -> None:
    path = tmp_path / "labels.npz"
    save_labels(labels, path)
    whole = path.read_bytes()
    with np.load(path) as arrays:
        part = {name: arrays[name] for name in arrays.files if name != "holds"}
    damaged = {
        "cut.npz": whole[: len(whole) // 2],
        "empty.npz": b"",
        "text.npz": b"not an archive\n",
        "flipped.npz": whole[:400] + bytes(byte ^ 255 for byte in whole[400:420]) + whole[420:],
    }
    for name, content in damaged.items():
        (tmp_path / name).write_bytes(content)
    np.savez(tmp_path / "missing-array.npz", **part)
    np.savez(tmp_path / "pool.npz", solutions=np.ones((3, 4)))
    np.save(tmp_path / "array.npy", np.ones(3))
    (tmp_path / "folder").mkdir()
    for name in (*damaged, "missing-array.npz", "pool.npz", "array.npy", "folder", "nowhere.npz"):
        with pytest.raises(PoolError, match="expected a file of search labels") as caught:
            read_labels(tmp_path / name)
        assert str(caught.value).startswith(f"{tmp_path / name}: ")
        assert len(str(caught.value).splitlines()) == 1
