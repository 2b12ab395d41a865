"""Stand-ins for networks and instances, independent checkers, and ways to run the command line."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from ortools.constraint_solver import pywrapcp
from ortools.sat.python import cp_model

import nnsearch
from nnsearch.cp.translate import Translation
from nnsearch.encoding.candidate_graph import CandidateGraphEncoder, GraphEncoding, GraphState, encode
from nnsearch.encoding.one_hot import OneHot, OneHotState
from nnsearch.errors import GraphError
from nnsearch.inference.metadata import ModelMetadata
from nnsearch.model.graph import EXACTLY_ONE, KINDS, BoolArray, CandidateGraph
from nnsearch.model.prepared import PreparedModel
from nnsearch.scorers.network import Network, PreparedNetwork
from nnsearch.scorers.scorer import Advice, FloatArray

Grid = npt.NDArray[np.int64]
Solution = tuple[int, ...]

ROOT = Path(nnsearch.__file__).parents[1]
SUPPORT = Path(__file__).parent
INSTANCES = ROOT.parent / "shared" / "instances"
PATIENCE = 20.0
"""Seconds within which everything ends that does not hang, on any machine: a bound to stop at, not a measurement."""

COMMAND = [sys.executable, "-m", "nnsearch"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
ENVIRONMENT.pop("PYTHONUNBUFFERED", None)  # users have buffers


class LinearScorer(Network):
    """Scores that depend on the state; remembers the states it was shown."""

    encoder: OneHot

    def __init__(self, num_variables: int, num_values: int, seed: int = 0, first_value: int | None = None) -> None:
        self.name = "linear"
        self.encoder = OneHot(num_variables, num_values, first_value)
        self.shown: list[FloatArray] = []
        rng = np.random.default_rng(seed)
        n = num_variables * num_values
        self.weight = rng.standard_normal((n, n), dtype=np.float32)
        self.bias = rng.standard_normal(n, dtype=np.float32)

    def __repr__(self) -> str:  # the same in every process that collects tests
        return type(self).__name__

    def score(self, states: Sequence[OneHotState]) -> list[FloatArray]:
        assignment = np.stack([state.assignment for state in states])
        assert assignment.dtype == np.float32
        self.shown.extend(assignment)
        return list(self.scores(assignment))

    def scores(self, assignment: FloatArray) -> FloatArray:
        return assignment @ self.weight + self.bias


class FixedScorer(LinearScorer):
    """The same scores float32[V, D] in every state."""

    def __init__(self, scores: npt.ArrayLike, first_value: int | None = None) -> None:
        fixed = np.asarray(scores, dtype=np.float32)
        self.name = "fixed"
        self.encoder = OneHot(fixed.shape[0], fixed.shape[1], first_value)
        self.shown = []
        self.bias = fixed.ravel()

    def scores(self, assignment: FloatArray) -> FloatArray:
        return np.repeat(self.bias[None], len(assignment), axis=0)


class AnyGraphEncoder(CandidateGraphEncoder):
    """Reads a model whose constraints tie nothing together, too."""

    def prepare(self, graph: CandidateGraph, variables: Sequence[int] | None, name: str) -> GraphEncoding:
        return GraphEncoding(graph)


class RandomGraphScorer(Network):
    """Scores that the state and a seed decide; remembers the states it was shown."""

    def __init__(self, seed: int = 0, name: str = "random") -> None:
        self.seed, self.name = seed, name
        self.encoder = AnyGraphEncoder()
        self.shown: list[GraphState] = []

    def __repr__(self) -> str:
        return type(self).__name__

    def score(self, states: Sequence[GraphState]) -> list[FloatArray]:
        self.shown.extend(states)
        return [self.scores(state) for state in states]

    def scores(self, state: GraphState) -> FloatArray:
        return np.random.default_rng([self.seed, *state.candidate]).standard_normal(len(state.candidate), np.float32)


class FixedGraphScorer(RandomGraphScorer):
    """The same score for a candidate in every state."""

    def __init__(self, fixed: npt.ArrayLike) -> None:
        super().__init__(name="fixed")
        self.fixed = np.asarray(fixed, dtype=np.float32)

    def scores(self, state: GraphState) -> FloatArray:
        return self.fixed[state.candidate]


class WatchingScorer(RandomGraphScorer):
    """Compares every state with the domains of the engine, read value by value, and notes the differences."""

    graph: CandidateGraph

    def __init__(self, variables: Sequence[pywrapcp.IntVar], seed: int = 0) -> None:
        super().__init__(seed, "watching")
        self.variables = variables
        self.mistakes: list[str] = []  # not asserted in the callback, see test_value_phase.Prediction

    def prepare(self, graph: CandidateGraph, variables: Sequence[int] | None = None) -> PreparedNetwork:
        self.graph = graph
        return super().prepare(graph, variables)

    def scores(self, state: GraphState) -> FloatArray:
        pairs = zip(self.graph.variable.tolist(), self.graph.values.tolist(), strict=True)
        alive = np.array([self.variables[variable].Contains(value) for variable, value in pairs])
        expected = encode(self.graph, alive)
        for name in ("edge_candidate", "edge_group", "group_features", "candidate_features", "candidate"):
            if not np.array_equal(got := getattr(state, name), wanted := getattr(expected, name)):
                self.mistakes.append(f"state {len(self.shown)}, {name}: {got} instead of {wanted}")
        return super().scores(state)


@dataclass
class DirectScorer:
    """A user's own scorer, which reads states by itself: scores that the state and a seed decide."""

    seed: int = 0
    name: str = "direct"

    def prepare(self, graph: CandidateGraph, variables: Sequence[int] | None = None) -> PreparedDirect:
        return PreparedDirect(self.seed)


@dataclass
class PreparedDirect:
    seed: int

    def advise(self, alive: BoolArray) -> Advice:
        rows = [np.random.default_rng([self.seed, *np.flatnonzero(row)]).standard_normal(len(row)) for row in alive]
        return Advice(np.stack(rows).astype(np.float32))


def graph_of(model: cp_model.CpModel) -> CandidateGraph:
    """The graph of a model, without groups if its constraints give none."""
    try:
        return CandidateGraph.from_model(model)
    except GraphError:
        return CandidateGraph.from_all_different(domains(model), [], [v.name for v in model.proto.variables])


def network(
    num_variables: int,
    num_values: int,
    *,
    weight: FloatArray | None = None,
    bias: FloatArray | None = None,
    metadata: Mapping[str, str] | None = None,
) -> onnx.ModelProto:
    """``scores = assignment @ weight + bias`` with the metadata of format 1; random where not given.

    A one-dimensional weight multiplies element by element.
    """
    n = num_variables * num_values
    rng = np.random.default_rng(n)
    weight = rng.standard_normal((n, n), dtype=np.float32) if weight is None else weight
    bias = rng.standard_normal(n, dtype=np.float32) if bias is None else bias
    graph = helper.make_graph(
        [
            helper.make_node("MatMul" if weight.ndim == 2 else "Mul", ["assignment", "weight"], ["weighted"]),
            helper.make_node("Add", ["weighted", "bias"], ["scores"]),
        ],
        "stand-in",
        [helper.make_tensor_value_info("assignment", TensorProto.FLOAT, ["batch", n])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", n])],
        [numpy_helper.from_array(weight, "weight"), numpy_helper.from_array(bias, "bias")],
    )
    if metadata is None:
        metadata = ModelMetadata("one_hot", "latin-square", num_variables, num_values, {"loss": "none"}).to_props()
    return with_metadata(graph, metadata)


GRAPH_INPUTS: dict[str, tuple[int, list[Any]]] = {
    "edge_candidate": (TensorProto.INT64, ["E"]),
    "edge_group": (TensorProto.INT64, ["E"]),
    "group_features": (TensorProto.FLOAT, ["G", len(KINDS)]),
    "candidate_features": (TensorProto.FLOAT, ["N", 1]),
}


def graph_network(
    *,
    inputs: Mapping[str, tuple[int, list[Any]]] = GRAPH_INPUTS,
    output: tuple[str, int, list[Any]] = ("scores", TensorProto.FLOAT, ["N"]),
    kinds: tuple[str, ...] = KINDS,
    identities: Mapping[str, Sequence[int]] | None = None,
    metadata: Mapping[str, str] | None = None,
) -> onnx.ModelProto:
    """A network on the candidate graph whose scores are the places, plus the identities if it is given those."""
    if identities is not None and inputs is GRAPH_INPUTS:
        inputs = {**GRAPH_INPUTS, "candidate_identity": (TensorProto.INT64, ["N"])}
    name, dtype, shape = output
    nodes = [helper.make_node("Squeeze", ["candidate_features", "axis"], ["places"])]
    if "candidate_identity" in inputs:
        nodes += [
            helper.make_node("Cast", ["candidate_identity"], ["number"], to=TensorProto.FLOAT),
            helper.make_node("Add", ["places", "number"], ["sum"]),
        ]
    nodes.append(helper.make_node("Cast", [nodes[-1].output[0]], [name], to=dtype))
    graph = helper.make_graph(
        nodes,
        "places",
        [helper.make_tensor_value_info(key, *value) for key, value in inputs.items()],
        [helper.make_tensor_value_info(name, dtype, shape)],
        [numpy_helper.from_array(np.array([1]), "axis")],
    )
    if metadata is None:
        metadata = ModelMetadata("candidate_graph", "any", kinds=kinds, identities=identities).to_props()
    return with_metadata(graph, metadata)


def with_metadata(graph: onnx.GraphProto, metadata: Mapping[str, str]) -> onnx.ModelProto:
    model = helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 20)])
    helper.set_model_props(model, dict(metadata))
    return cast(onnx.ModelProto, model)


def saved(model: onnx.ModelProto, path: Path) -> Path:
    path.write_bytes(model.SerializeToString())
    return path


def latin_square(order: int, seed: int) -> Grid:
    """The cyclic square with rows, columns and values shuffled."""
    rng = np.random.default_rng(seed)
    rows, columns, values = (rng.permutation(order) for _ in range(3))
    square: Grid = values[(rows[:, None] + columns) % order] + 1
    return square


def with_holes(square: Grid, holes: int, seed: int) -> Grid:
    """The square with that many cells set to 0."""
    grid = square.copy()
    grid.ravel()[np.random.default_rng(seed).permutation(grid.size)[:holes]] = 0
    return grid


def dzn(grid: Grid) -> str:
    rows = "|\n".join(", ".join(map(str, row)) for row in grid.tolist())
    return f"N={len(grid)};\nstart=[|\n{rows}|];\n"


def completes(solution: Sequence[int], grid: Grid) -> bool:
    """Check a solution against the rules of partial Latin squares, without a line of the package."""
    n = len(grid)
    rows = [solution[i * n : (i + 1) * n] for i in range(n)]
    values = set(range(1, n + 1))
    return (
        len(solution) == n * n
        and all(set(row) == values for row in rows)
        and all(set(column) == values for column in zip(*rows, strict=True))
        and all(
            g in (0, v) for row, given in zip(rows, grid.tolist(), strict=True) for v, g in zip(row, given, strict=True)
        )
    )


def domains(model: cp_model.CpModel) -> list[list[int]]:
    """The values of every variable."""
    bounds = [list(variable.domain) for variable in model.proto.variables]
    return [[v for low, high in zip(b[::2], b[1::2], strict=True) for v in range(low, high + 1)] for b in bounds]


def rules(model: cp_model.CpModel) -> list[Callable[[Sequence[int]], bool]]:
    """What each all_different and linear constraint says of an assignment, read once from the model."""

    def different(expressions: list[tuple[list[tuple[int, int]], int]]) -> Callable[[Sequence[int]], bool]:
        def holds(value: Sequence[int]) -> bool:
            terms = {sum(c * value[v] for v, c in parts) + offset for parts, offset in expressions}
            return len(terms) == len(expressions)

        return holds

    def within(parts: list[tuple[int, int]], intervals: list[tuple[int, int]]) -> Callable[[Sequence[int]], bool]:
        def holds(value: Sequence[int]) -> bool:
            total = sum(c * value[v] for v, c in parts)
            return any(low <= total <= high for low, high in intervals)

        return holds

    found: list[Callable[[Sequence[int]], bool]] = []
    for constraint in model.proto.constraints:
        if constraint.has_all_diff():
            expressions = constraint.all_diff.exprs
            found.append(different([(list(zip(e.vars, e.coeffs, strict=True)), e.offset) for e in expressions]))
        else:
            linear = constraint.linear
            bounds = list(linear.domain)
            parts = list(zip(linear.vars, linear.coeffs, strict=True))
            found.append(within(parts, list(zip(bounds[::2], bounds[1::2], strict=True))))
    return found


def satisfies(model: cp_model.CpModel, value: Sequence[int]) -> bool:
    """Check all all_different and linear constraints, without any solver."""
    return all(rule(value) for rule in rules(model))


def brute_force(model: cp_model.CpModel) -> list[Solution]:
    """All solutions, sorted."""
    held = rules(model)
    return [values for values in product(*domains(model)) if all(rule(values) for rule in held)]


class Collector(cp_model.CpSolverSolutionCallback):  # type: ignore[misc]
    """Keeps every solution, in order."""

    def __init__(self, variables: list[cp_model.IntVar]) -> None:
        super().__init__()
        self.variables = variables
        self.found: list[Solution] = []

    def on_solution_callback(self) -> None:
        self.found.append(tuple(self.value(variable) for variable in self.variables))


def all_solutions(model: cp_model.CpModel) -> list[Solution]:
    """All solutions, sorted, by CP-SAT: for models that :func:`satisfies` does not cover."""
    solver = cp_model.CpSolver()
    solver.parameters.enumerate_all_solutions = True
    solver.parameters.num_workers = 1
    solver.parameters.cp_model_presolve = False
    collector = Collector([model.get_int_var_from_proto_index(i) for i in range(len(model.proto.variables))])
    assert solver.solve(model, collector) in (cp_model.OPTIMAL, cp_model.INFEASIBLE)
    return sorted(set(collector.found))


def engine_solutions(translation: Translation) -> list[Solution]:
    """All solutions of a translated model, variables in order, smallest value first."""
    solver = translation.solver
    phase = solver.Phase(translation.variables, solver.CHOOSE_FIRST_UNBOUND, solver.ASSIGN_MIN_VALUE)
    return enumerated(solver, translation.variables, phase)


def enumerated(
    solver: pywrapcp.Solver,
    variables: Iterable[pywrapcp.IntVar],
    phase: pywrapcp.DecisionBuilder,
    monitors: Sequence[pywrapcp.SearchMonitor] = (),
) -> list[Solution]:
    """All solutions of one search, in its order."""
    found: list[Solution] = []
    solver.NewSearch(phase, list(monitors))
    try:
        while solver.NextSolution():
            found.append(tuple(variable.Value() for variable in variables))
    finally:
        solver.EndSearch()
    return found


def one_hot_of(variables: Sequence[pywrapcp.IntVar], num_values: int, first_value: int) -> FloatArray:
    """float32[V * D]: the current assignment, read from every variable."""
    state = np.zeros((len(variables), num_values), dtype=np.float32)
    for row, variable in zip(state, variables, strict=True):
        if variable.Bound():
            row[variable.Value() - first_value] = 1
    return state.ravel()


linear_domains = st.one_of(
    st.sets(st.integers(-8, 8), min_size=1, max_size=8).map(lambda values: cp_model.Domain.from_values(sorted(values))),
    st.integers(-8, 8).map(lambda low: cp_model.Domain(low, cp_model.INT_MAX)),
    st.integers(-8, 8).map(lambda high: cp_model.Domain(cp_model.INT_MIN, high)),
    st.integers(-8, 8).map(lambda value: cp_model.Domain(value, value).complement()),
)


@st.composite
def models(draw: st.DrawFn, max_variables: int = 4, max_values: int = 4) -> cp_model.CpModel:
    """Small models: domains with holes, all_different on affine expressions, linear constraints; often infeasible."""
    model = cp_model.CpModel()
    value_sets = st.sets(st.integers(-2, 3), min_size=1, max_size=max_values)
    variables = [
        model.new_int_var_from_domain(cp_model.Domain.from_values(sorted(values)), f"v{i}")
        for i, values in enumerate(draw(st.lists(value_sets, min_size=1, max_size=max_variables)))
    ]
    affine = st.builds(
        lambda x, c, d: c * x + d, st.sampled_from(variables), st.sampled_from([1, 1, -1, 2, 0]), st.integers(-2, 2)
    )
    weights = st.lists(st.integers(-3, 3), min_size=len(variables), max_size=len(variables)).filter(any)
    for _ in range(draw(st.integers(0, 3))):
        if draw(st.booleans()):
            model.add_all_different(draw(st.just(variables) | st.lists(affine, min_size=1, max_size=4)))
        else:
            total = sum(c * x for c, x in zip(draw(weights), variables, strict=True))
            model.add_linear_expression_in_domain(total, draw(linear_domains))
    return model


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    """Run a script that may import this module, and may crash."""
    path = f"{ENVIRONMENT['PYTHONPATH']}:{Path(__file__).parent}"
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        env={**ENVIRONMENT, "PYTHONPATH": path},
        timeout=60,
        check=False,
    )


def wiped_out(graph: CandidateGraph, alive: BoolArray) -> bool:
    """Tell whether an exactly-one group has no candidate left."""
    count = np.bincount(graph.edge_group[alive[graph.edge_candidate]], minlength=graph.num_groups)
    needed = graph.group_kind == EXACTLY_ONE
    needed[: graph.num_variables] &= ~np.isin(graph.names, graph.report.too_large)
    return bool((needed & (count == 0)).any())


def models_read(monkeypatch: pytest.MonkeyPatch) -> list[cp_model.CpModel]:
    """Return a list that will hold every model that is read from now on."""
    read: list[cp_model.CpModel] = []
    init = PreparedModel.__init__

    def note(self: PreparedModel, model: cp_model.CpModel, **options: Any) -> None:
        read.append(model)
        init(self, model, **options)

    monkeypatch.setattr(PreparedModel, "__init__", note)
    return read
