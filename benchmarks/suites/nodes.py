"""What a search node costs outside inference.

The same tree is walked by the engine's own phase (smallest domain, smallest value) and by
:class:`nnsearch.cp.ValuePhase`, whose scorer returns a constant at no cost. The scorer prefers small values, so both
take the same decisions; the difference in seconds per branch is what asking a scorer at every node adds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from ortools.constraint_solver import pywrapcp

from benchmarks.answers import AnswerError
from benchmarks.instances.squares import fresh_quasigroups
from benchmarks.options import Options
from benchmarks.records import Job, Record
from benchmarks.rendering.parts import Cell, Group, Table, TableRow
from benchmarks.rendering.places import place_of
from nnsearch.cp import ValuePhase
from nnsearch.cp.search_options import SearchOptions
from nnsearch.cp.translate import translate
from nnsearch.encoding.one_hot import OneHot, OneHotState
from nnsearch.errors import ConfigError
from nnsearch.problems.latin_square.problem import LatinSquare
from nnsearch.scorers.network import Network
from nnsearch.scorers.scorer import FloatArray
from training.config import at_least

ARMS = ("native", "value-phase", "most-confident")
"""The engine's own phase; ValuePhase on the same tree; ValuePhase choosing the pair, whose tree may be another one."""


@dataclass(frozen=True)
class Nodes(Options):
    """What to walk.

    Args:
        order: order of the square.
        holes: share of the cells that are holes; 1 is the empty square.
        branches: branches of one walk.
        repeats: walks of each arm, taking turns; the median is reported.
        seed: seed of the square when it has filled cells.
    """

    order: int = 10
    holes: float = 1.0
    branches: Annotated[int, at_least(1)] = 20_000
    repeats: Annotated[int, at_least(1)] = 7
    seed: int = 1

    def grid(self) -> npt.NDArray[np.int64]:
        """Return int64[order, order], 0 = hole."""
        return fresh_quasigroups(self.order, self.holes, 1, self.seed)[0].grid


@dataclass(frozen=True)
class Walk:
    """One enumeration of solutions up to a number of branches, fewer when the tree ended."""

    branches: int
    failures: int
    solutions: int
    calls: int
    seconds: float
    inference_seconds: float
    cpu_seconds: float

    @property
    def microseconds_per_branch(self) -> float:
        """Wall time without the scorer."""
        return 1e6 * (self.seconds - self.inference_seconds) / self.branches


class SmallestValue(Network):
    """A scorer for squares of one order that prefers small values and does no work."""

    name = "smallest-value"

    def __init__(self, order: int) -> None:
        self.encoder = OneHot(order**2, order, LatinSquare.first_value)
        self._scores = -np.tile(np.arange(order, dtype=np.float32), order**2)

    def score(self, states: Sequence[OneHotState]) -> list[FloatArray]:
        """Return the same float32[V * D] whatever the state."""
        return [self._scores for _ in states]


def prepare(arm: str, grid: npt.NDArray[np.int64], branches: int) -> Callable[[], Walk]:
    """Build model and phase of one of :data:`ARMS` on int64[n, n], 0 = hole; the returned function walks once."""
    order = len(grid)
    model, _ = LatinSquare(order).build(grid)
    translation = translate(model)
    solver, variables = translation.solver, translation.variables
    value_phase = None
    if arm == "native":
        phase: pywrapcp.DecisionBuilder = solver.Phase(variables, solver.CHOOSE_MIN_SIZE, solver.ASSIGN_MIN_VALUE)
    else:
        phase = value_phase = ValuePhase(
            solver,
            variables,
            SmallestValue(order),
            SearchOptions(variable_order="most-confident" if arm == "most-confident" else "min-domain"),
        )
    limit = solver.BranchesLimit(branches)

    def walk() -> Walk:
        solutions = 0
        started, cpu_started = time.perf_counter(), time.process_time()
        solver.NewSearch(phase, [limit])
        while solver.NextSolution():
            solutions += 1
        solver.EndSearch()
        seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
        calls, inference = (
            (value_phase.inference.calls, value_phase.inference.seconds) if value_phase is not None else (0, 0.0)
        )
        return Walk(solver.Branches(), solver.Failures(), solutions, calls, seconds, inference, cpu_seconds)

    return walk


def check_same_tree(native: Walk, ours: Walk) -> None:
    """Check that two walks took the same branches, failures and solutions.

    Raises:
        AnswerError: they did not.
    """
    seen = [(walk.branches, walk.failures, walk.solutions) for walk in (native, ours)]
    if seen[0] != seen[1]:
        raise AnswerError(
            f"expected one tree, got (branches, failures, solutions) {seen[0]} natively, {seen[1]} by ours"
        )


def jobs(suite: Nodes) -> list[Job]:
    """Return the one job of this suite."""
    return [Job({"suite": "nodes", **asdict(suite)}, lambda: _measure(suite))]


def summary(records: Sequence[Record]) -> Group:
    """Return what was found of each square."""
    return Group("", [_table(record) for record in records])


def _table(record: Record) -> Table:
    config, result = record["config"], record["result"]
    native = result["native"]
    rows = []
    for arm, walks in result.items():
        each = walks["us_per_branch_walks"]
        figures = (
            (walks["us_per_branch"], native["us_per_branch"]),
            (min(each), min(native["us_per_branch_walks"])),
            (walks["cpu_us_per_branch"], native["cpu_us_per_branch"]),
        )
        over = "" if arm == "native" else " ({:+.1f})"
        cells: list[Cell] = [
            arm,
            *(f"{mine:.1f}{over.format(mine - theirs)}" for mine, theirs in figures),
            f"{max(each):.1f}",
            *(walks[name] for name in ("branches", "failures", "solutions", "calls")),
        ]
        rows.append(TableRow(cells, arm, place_of(record)))
    return Table(
        f"order {config['order']}, {config['holes']:.0%} holes: microseconds per branch outside inference "
        f"(over native), {config['repeats']} walks of each arm in turns",
        ["arm", "median", "fastest", "CPU time", "slowest", "branches", "failures", "solutions", "calls"],
        rows,
        "native and value-phase walk the same tree (checked). The figure is the median of value-phase over native;\n"
        "on a busy machine read the CPU time, which leaves out what other programs took.",
    )


def _measure(suite: Nodes) -> dict[str, Any]:
    grid = suite.grid()
    walks: dict[str, list[Walk]] = {arm: [] for arm in ARMS}
    for _ in range(suite.repeats):
        for arm in ARMS:
            walks[arm].append(prepare(arm, grid, suite.branches)())
        check_same_tree(walks["native"][-1], walks["value-phase"][-1])
    if walks["native"][0].branches == 0:
        raise ConfigError("propagation alone completes this square, so there is no branch to time; use more holes")

    def median(runs: Sequence[Walk], seconds: Callable[[Walk], float]) -> float:
        return round(float(np.median([1e6 * seconds(walk) / walk.branches for walk in runs])), 3)

    return {
        arm: {
            "us_per_branch": median(runs, lambda walk: walk.seconds - walk.inference_seconds),
            "us_per_branch_walks": [round(walk.microseconds_per_branch, 3) for walk in runs],
            "cpu_us_per_branch": median(runs, lambda walk: walk.cpu_seconds - walk.inference_seconds),
            "scorer_us_per_branch": median(runs, lambda walk: walk.inference_seconds),
            "branches": runs[-1].branches,
            "failures": runs[-1].failures,
            "solutions": runs[-1].solutions,
            "calls": runs[-1].calls,
        }
        for arm, runs in walks.items()
    }
