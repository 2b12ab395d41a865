"""Learning from the search itself: the states that a search visits, with what it proved there.

A decision whose subtree was exhausted without a solution is in no solution of its state: an exact negative label. A
state on the way to a solution is labelled by that solution. Where the generator's planted solution is still possible
in a state it is the label, which is an unbiased sample of the state's solutions, because the search never saw it.
These are labels on just the states that a network leads a search to, right and wrong decisions of its own included
(imitation on the learner's own states: Ross, Gordon and Bagnell 2011, DAgger).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from ortools.constraint_solver import pywrapcp
from ortools.sat.python import cp_model
from tqdm import tqdm

from nnsearch.cp.policy import InferencePolicy
from nnsearch.cp.restarts import Restarts
from nnsearch.cp.search import solve_by_phase
from nnsearch.cp.search_options import SearchOptions
from nnsearch.cp.value_phase import ValuePhase
from nnsearch.encoding.candidate_graph import GraphState
from nnsearch.errors import PoolError
from nnsearch.interrupt import DeferredInterrupt
from nnsearch.limits import Limits
from nnsearch.model.graph import CandidateGraph
from nnsearch.output_file import save_npz
from nnsearch.problems import Problem
from nnsearch.scorers.scorer import Scorer
from training.data.graph_states import BoolArray, PlantedState, TrainingState, training_state
from training.running.fan_out import fan_out
from training.running.network_file import NetworkFile
from training.running.parts import Parts

_COLUMNS = (
    ("edge_candidate", "edges", np.int32, np.int64),
    ("edge_group", "edges", np.int32, np.int64),
    ("group_features", "groups", np.bool_, np.float32),
    ("candidate_features", "candidates", np.float32, np.float32),
    ("candidate", "candidates", np.int32, np.int64),
    ("identity", "candidates", np.int32, np.int64),
    ("holds", "candidates", np.bool_, np.bool_),
    ("possible", "candidates", np.bool_, np.bool_),
)
"""What a file holds of each state: attribute, axis, type in the file, type in memory."""


@dataclass(eq=False)
class Visited:
    """What one search left behind.

    Of each decision: the state in which it was taken (bool[N], bit-packed), its candidate, and whether its subtree was
    exhausted without a solution.
    """

    graph: CandidateGraph
    alive: list[npt.NDArray[np.uint8]] = field(default_factory=list)
    chosen: list[int] = field(default_factory=list)
    refuted: list[bool] = field(default_factory=list)
    solution: list[int] | None = None
    failures: int = 0


class _Recorded(pywrapcp.PyDecision):
    """Assign a value; on backtracking note that its subtree is exhausted, and remove the value."""

    def __init__(self, phase: _RecordingPhase, index: int, variable: pywrapcp.IntVar, value: int) -> None:
        super().__init__()
        self._phase, self._index, self._variable, self._value = phase, index, variable, value

    def Apply(self, solver: pywrapcp.Solver) -> None:  # noqa: N802 - the engine's name
        """Left branch."""
        self._variable.SetValue(self._value)

    def Refute(self, solver: pywrapcp.Solver) -> None:  # noqa: N802 - the engine's name
        """Right branch."""
        if solver.Failures() <= self._phase.most_failures:  # beyond it the tree is left, not searched
            self._phase.visited.refuted[self._index] = True
        self._variable.RemoveValue(self._value)


class _RecordingPhase(ValuePhase):
    """Decides as :class:`ValuePhase` with ``most-confident`` does, and records every state."""

    most_failures: int
    visited: Visited

    def record(self, graph: CandidateGraph, most_failures: int) -> None:
        """Start recording."""
        self.visited, self.most_failures = Visited(graph), most_failures
        self._decisions_made: list[_Recorded] = []  # the engine keeps no reference

    def decide(self, solver: pywrapcp.Solver, variable: int, value: int) -> pywrapcp.Decision:
        """Record the state and return a decision that records what becomes of it."""
        reader = self._reader
        reader.refresh(solver)
        visited = self.visited
        visited.alive.append(np.packbits(reader.alive))
        visited.chosen.append(reader.position(variable, value))
        visited.refuted.append(False)
        decision = _Recorded(self, len(visited.chosen) - 1, self._variables[variable], value)
        self._decisions_made.append(decision)
        return decision


def search_and_record(
    model: cp_model.CpModel,
    scorer: Scorer,
    *,
    failures: int,
    policy: InferencePolicy,
    restarts: Restarts | None = None,
) -> Visited:
    """Search depth-first for a solution, most confident pair first, and record every decision.

    There is no limit in seconds: leaving the tree at any moment would look like exhausting subtrees.
    """
    graph = CandidateGraph.from_model(model)
    phases: list[_RecordingPhase] = []

    def make_phase(solver: pywrapcp.Solver, variables: list[pywrapcp.IntVar]) -> _RecordingPhase:
        phase = _RecordingPhase(
            solver, variables, scorer, SearchOptions("most-confident", policy, restarts=restarts), graph=graph
        )
        phase.record(graph, failures)
        phases.append(phase)
        return phase

    variables = [model.get_int_var_from_proto_index(i) for i in range(graph.num_variables)]
    result = solve_by_phase(model, variables, make_phase, limits=Limits(failures=failures))
    visited = phases[0].visited
    visited.solution, visited.failures = result.solution, result.failures
    return visited


def labelled_states(
    visited: Visited, planted: npt.ArrayLike, most: int, rng: np.random.Generator
) -> Iterator[TrainingState]:
    """Yield at most so many states of a search that have a known solution, those with a refuted decision first.

    ``planted`` is a solution that the search did not know.
    """
    graph = visited.graph
    solutions = [planted] if visited.solution is None else [planted, visited.solution]
    holds = [graph.holds(solution) for solution in solutions]
    # Decisions in equal states share one training state: all that was refuted in it.
    refuted_in: dict[bytes, list[int]] = {}
    for alive, chosen, refuted in zip(visited.alive, visited.chosen, visited.refuted, strict=True):
        found = refuted_in.setdefault(alive.tobytes(), [])
        if refuted:
            found.append(chosen)
    keys = list(refuted_in)
    rng.shuffle(keys)
    keys.sort(key=lambda key: not refuted_in[key])
    count = 0
    for key in keys:
        state: BoolArray = np.unpackbits(np.frombuffer(key, dtype=np.uint8), count=graph.num_candidates) > 0
        label = next((row for row in holds if not (row & ~state).any()), None)
        if label is None:
            continue
        possible = np.ones(graph.num_candidates, dtype=bool)
        possible[refuted_in[key]] = False
        yield training_state(PlantedState(graph, state, label), possible)
        count += 1
        if count == most:
            return


@dataclass(frozen=True, eq=False)
class LabelledSearch:
    """The labels of one search, whether it found a solution, and its failures."""

    states: list[TrainingState]
    solved: bool
    failures: int

    def arrays(self) -> dict[str, Any]:
        """Return it as arrays."""
        return {"solved": self.solved, "failures": self.failures, **_arrays(self.states)}

    @classmethod
    def of(cls, arrays: dict[str, Any]) -> LabelledSearch:
        """Return the search of :meth:`arrays`."""
        return cls(_states(arrays), bool(arrays["solved"]), int(arrays["failures"]))


@dataclass(frozen=True)
class LabelInstance:
    """Searches an instance and labels what was visited: a function of these settings, and of nothing else.

    At most ``most`` states are kept of each search; the seed chooses them, together with the index of the search.
    """

    network: NetworkFile
    failures: int
    policy: InferencePolicy
    restarts: Restarts | None
    most: int
    seed: int

    def __call__(self, task: tuple[int, Problem, npt.NDArray[np.int64]]) -> LabelledSearch:
        """Search one instance, of the index of the search, the instance, and a solution of it."""
        index, instance, planted = task
        scorer = self.network.open()
        visited = search_and_record(
            instance.build()[0], scorer, failures=self.failures, policy=self.policy, restarts=self.restarts
        )
        rng = np.random.default_rng([self.seed, index])
        states = list(labelled_states(visited, planted, self.most, rng))
        return LabelledSearch(states, visited.solution is not None, visited.failures)


def label_searches(
    search: LabelInstance, instances: Sequence[tuple[Problem, npt.NDArray[np.int64]]], parts: Parts, ray: str | None
) -> list[LabelledSearch]:
    """Search instances with a progress bar; return the finished searches in order, fewer than all after Ctrl-C.

    Finished searches that ``parts`` keeps are not done again.
    """
    missing = parts.missing(len(instances))
    tasks = ((index, *instances[index]) for index in missing)
    done = len(instances) - len(missing)
    needs = search.network.needs
    with (
        DeferredInterrupt() as interrupted,
        closing(fan_out(search, tasks, ray=ray, needs=lambda _: needs)) as labelled,
    ):
        for (index, *_), found in tqdm(labelled, total=len(instances), initial=done, unit=" searches"):
            parts.write(index, found.arrays())
            if interrupted():
                break
    unfinished = parts.missing(len(instances))
    return [LabelledSearch.of(parts.read(index)) for index in range(len(instances)) if index not in unfinished]


def save_labels(states: list[TrainingState], path: Path) -> None:
    """Write labelled states; an older file is replaced only once the new one is complete."""
    save_npz(path, _arrays(states))


def read_labels(path: Path) -> list[TrainingState]:
    """Read a file of :func:`save_labels`.

    Raises:
        PoolError: the file is missing or is not one.
    """
    try:
        with np.load(path) as arrays:
            return _states(dict(arrays))
    except Exception as error:  # a damaged archive makes zipfile, zlib and numpy raise nearly anything
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise PoolError(f"{path}: expected a file of search labels (python -m training label), {reason}") from None


def _arrays(labelled: list[TrainingState]) -> dict[str, Any]:
    sizes = {
        axis: np.array([len(getattr(one.state, name)) for one in labelled], dtype=np.int64)
        for axis, name in (("candidates", "candidate"), ("groups", "group_features"), ("edges", "edge_group"))
    }
    if not labelled:
        return sizes
    wholes = [vars(one.state) | vars(one) for one in labelled]
    return sizes | {
        name: np.concatenate([whole[name] for whole in wholes]).astype(stored) for name, _, stored, _ in _COLUMNS
    }


def _states(arrays: dict[str, Any]) -> list[TrainingState]:
    if not len(arrays["candidates"]):
        return []
    columns = [np.split(arrays[name].astype(dtype), np.cumsum(arrays[axis])[:-1]) for name, axis, _, dtype in _COLUMNS]
    return [TrainingState(GraphState(*row[:-2]), holds=row[-2], possible=row[-1]) for row in zip(*columns, strict=True)]
