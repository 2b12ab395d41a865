"""The feasibility test on fresh squares: suggestion by suggestion, is it one that some solution contains?

``training.data.feasibility`` asks the questions and explains them; this suite asks them of every arm, with every
propagation at test time, on the same states. Networks on the candidate graph read what propagation leaves, so they are
asked the fixed cell after full propagation and after singles propagation alone, at every order. Full forward checking
stops short of a fixpoint: a cell with one value left is not assigned, and other cells keep that value. Search nodes and
training states are not like that; those after singles propagation are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from benchmarks.instances.labels import labeller
from benchmarks.instances.squares import fresh_squares
from benchmarks.networks import LoadedNetwork
from benchmarks.options import Options
from benchmarks.records import Job, Record
from benchmarks.rendering.parts import Axis, Block, Cell, Chart, Group, Place, Series, Table, TableRow
from benchmarks.rendering.places import QUASIGROUP
from nnsearch.encoding.candidate_graph import GraphState
from nnsearch.errors import ConfigError, ModelFileError, PoolError
from nnsearch.model.graph import CandidateGraph
from nnsearch.problems.latin_square.problem import LatinSquare
from nnsearch.scorers.onnx import OnnxScorer
from training.config import above, at_least
from training.data.dense_problems import DenseProblem
from training.data.feasibility import (
    PROPAGATORS,
    BoolArray,
    FeasibilityStates,
    FloatArray,
    assignments_of,
    fixed_cell,
    free_choice,
    make_states,
    possible_candidates,
    random_fixed_cell,
    random_free_choice,
    score_states,
    singles,
    smallest_domain,
)
from training.data.pools.pool import read_pool
from training.running.fan_out import ONE_CPU, Needs
from training.running.network_file import file_digest

QUESTIONS = ("free choice", "fixed cell")
GRAPH_PROPAGATIONS = ("full", "singles")

_WORDS = {
    "none": "no propagation",
    "rows": "cells and rows propagated",
    "full": "cells, rows and columns propagated",
    "singles": "singles propagated to the end, as at a search node",
}

_UNION_CANDIDATES = 20_000  # states are scored together up to this many candidates: a larger union is not faster

Judgement = Callable[[FeasibilityStates, BoolArray], FloatArray]
"""(states, possible suggestions) -> float64[P], 1 (or its expectation) where the suggestion is feasible."""

Judge = Callable[[FeasibilityStates, npt.NDArray[np.float32], BoolArray], FloatArray]
"""(states, scores, possible suggestions) -> float64[P], 1 where the best-scored suggestion is feasible."""


@dataclass(frozen=True)
class Feasibility(Options):
    """What to measure.

    Args:
        order: order of the squares.
        squares: fresh squares to sample; None is one per state. With fewer, states share squares, and the half widths,
            which take states as independent, are slightly too small.
        states: partial solutions, spread evenly over the fill levels 0..order**2 - 1.
        seed: seed of squares and states.
        pools: training pools in which no test square may occur.
        levels: how many fill levels, evenly over the range; None is all ``order**2``.
        label_seconds: time for the exact labels of one state; a state that takes longer is left out, and counted. None
            is any time, which above order 15 may be long.
    """

    order: Annotated[int, at_least(2)] = 10
    squares: Annotated[int | None, at_least(1)] = None
    states: Annotated[int, at_least(1)] = 10_000
    seed: Annotated[int, at_least(0)] = 1
    pools: tuple[Path, ...] = ()
    levels: int | None = None
    label_seconds: Annotated[float | None, above(0)] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.order > 64:
            raise ConfigError(f"order: expected 64 or less (the exact labels are bit masks), got {self.order}")
        if self.levels is not None and not 1 <= self.levels <= self.order**2:
            raise ConfigError(
                f"levels: expected 1..{self.order**2} fill levels at order {self.order}, got {self.levels}"
            )


@dataclass(frozen=True)
class Drawn:
    """Labelled states, and how many with so many filled cells were left out, because their labels took too long."""

    states: FeasibilityStates
    left_out: dict[int, int]


def jobs(
    suite: Feasibility, networks: Sequence[LoadedNetwork], compare: Sequence[tuple[LoadedNetwork, LoadedNetwork]] = ()
) -> list[Job]:
    """Return one job for each arm, propagation and question, and one for each comparison of two networks.

    Raises:
        ModelFileError: a network is for another order.
        PoolError: a pool cannot be read; a test square that occurs in one is refused when the first job runs.
    """
    for network in networks:
        if network.order not in (None, suite.order):
            raise ModelFileError(f"{network.name}: made for order {network.order}, expected order {suite.order}")
    shared: dict[str, Any] = {
        "suite": "feasibility",
        "order": suite.order,
        "squares": suite.squares or suite.states,
        "states": suite.states,
        "seed": suite.seed,
        "pools": [f"{path.name}:{_pool_digest(path)}" for path in suite.pools],
    }
    if suite.levels is not None:
        shared["levels"] = suite.levels
    if suite.label_seconds is not None:
        shared["label_seconds"] = suite.label_seconds

    shared_states = _States(suite)

    def suggest(judge: Judge, network: LoadedNetwork, states: FeasibilityStates, possible: BoolArray) -> FloatArray:
        scorer = network.scorer
        if network.order is not None:
            return judge(states, shared_states.scores(scorer), possible)
        return judge(states, score_graph_states(scorer, states, possible), possible)

    def difference(
        one: LoadedNetwork, other: LoadedNetwork, states: FeasibilityStates, possible: BoolArray
    ) -> FloatArray:
        return suggest(fixed_cell, one, states, possible) - suggest(fixed_cell, other, states, possible)

    def measure(outcome: Judgement, propagation: str, signs: bool = False) -> dict[str, Any]:
        drawn = shared_states.drawn
        states = drawn.states
        values = outcome(states, possible_candidates(states, propagation))
        result = summarise(states, values)
        if signs:
            result |= significant_levels(states, values)
        if suite.label_seconds is not None:
            result["left_out"] = {str(filled): count for filled, count in sorted(drawn.left_out.items())}
        return result

    arms: list[tuple[dict[str, Any], Sequence[str], str, Judgement, Needs]] = [
        ({"arm": "rnd"}, PROPAGATORS, "free choice", random_free_choice, ONE_CPU),
        ({"arm": "rnd"}, PROPAGATORS, "fixed cell", random_fixed_cell, ONE_CPU),
        # It chooses the cell itself, so there is no fixed cell.
        ({"arm": "smallest-domain"}, PROPAGATORS[1:], "free choice", smallest_domain, ONE_CPU),
        ({"arm": "singles"}, ("singles",), "free choice", lambda states, _: singles(states), ONE_CPU),
        ({"arm": "singles"}, ("singles",), "fixed cell", random_fixed_cell, ONE_CPU),
    ]
    for network in networks:
        arm = {"arm": network.name, **network.config}
        if network.order is None:
            outcome = partial(suggest, fixed_cell, network)
            arms.append((arm, GRAPH_PROPAGATIONS, "fixed cell", outcome, network.needs))
            continue
        for question, judge in (("free choice", free_choice), ("fixed cell", fixed_cell)):
            arms.append((arm, PROPAGATORS, question, partial(suggest, judge, network), network.needs))
    made = [
        Job(
            {**shared, **arm, "propagation": propagation, "question": question},
            partial(measure, outcome, propagation),
            needs,
        )
        for arm, propagations, question, outcome, needs in arms
        for propagation in propagations
    ]
    for one, other in compare:
        arm = {"arm": f"{one.name} - {other.name}", "compared": [one.config, other.config]}
        for propagation in GRAPH_PROPAGATIONS:
            config = {**shared, **arm, "propagation": propagation, "question": "fixed cell"}
            job = partial(measure, partial(difference, one, other), propagation, signs=True)
            made.append(Job(config, job, max(one.needs, other.needs, key=astuple)))
    return made


class _States:
    """The states of a suite, drawn once, when they are first asked for.

    A copy in another process has them with it: those that need a time limit would be others there.
    """

    def __init__(self, suite: Feasibility) -> None:
        self._suite = suite
        self._scored: tuple[OnnxScorer, npt.NDArray[np.float32]] | None = None

    @cached_property
    def drawn(self) -> Drawn:
        """The states."""
        suite = self._suite
        squares = fresh_squares(suite.order, suite.squares or suite.states, suite.seed)
        for path in suite.pools:
            refuse_leak(squares, path)
        indices = squares.reshape(len(squares), -1) - np.uint8(1)
        rng = np.random.default_rng(suite.seed)
        if suite.levels is None and suite.label_seconds is None:
            return Drawn(draw_states(LatinSquare(suite.order), indices, suite.states, rng), {})
        return draw_some_states(LatinSquare(suite.order), indices, suite, rng)

    def scores(self, scorer: OnnxScorer) -> npt.NDArray[np.float32]:
        """Return float32[P, N]; those of the last network are kept."""
        if self._scored is None or self._scored[0] is not scorer:
            self._scored = (scorer, score_states(assignments_of(scorer), self.drawn.states))
        return self._scored[1]

    def __getstate__(self) -> dict[str, Any]:
        return {"suite": self._suite, "left_out": self.drawn.left_out, **self.drawn.states.packed()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["suite"])  # type: ignore[misc]
        self.drawn = Drawn(FeasibilityStates.unpacked(LatinSquare(self._suite.order), state), state["left_out"])


def draw_states(
    problem: DenseProblem, solutions: npt.NDArray[np.uint8], count: int, rng: np.random.Generator
) -> FeasibilityStates:
    """Draw labelled states as :func:`.make_states` does, in chunks that Ctrl-C can come between."""
    size = problem.num_variables * max(1, 500 // problem.num_variables)  # whole rounds over the fill levels
    parts = []
    with tqdm(total=count, disable=None, desc="states", leave=False) as bar:
        for start in range(0, count, size):
            chunk = np.arange(start, min(start + size, count))
            parts.append(make_states(problem, solutions[chunk % len(solutions)], len(chunk), rng))
            bar.update(len(chunk))
    return FeasibilityStates(
        problem,
        np.concatenate([part.assignment for part in parts]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.filled for part in parts]),
    )


def draw_some_states(
    problem: LatinSquare, solutions: npt.NDArray[np.uint8], suite: Feasibility, rng: np.random.Generator
) -> Drawn:
    """Draw labelled states at some of the fill levels, with a time limit for the labels of each."""
    num_variables, order = problem.num_variables, problem.order
    count = num_variables if suite.levels is None else suite.levels
    levels = np.arange(count) * num_variables // count
    filled = levels[np.arange(suite.states) % count]
    solution = solutions[np.arange(suite.states) % len(solutions)].astype(np.int64)
    rank = rng.permuted(np.broadcast_to(np.arange(num_variables), solution.shape), axis=1)
    assigned = rank < filled[:, None]
    grids = np.where(assigned, solution + 1, 0).reshape(-1, order, order)
    labels: list[BoolArray | None] = []
    with labeller(suite.label_seconds) as label:
        labels = [label(grid) for grid in tqdm(grids, disable=None, desc="states", leave=False)]
    kept = np.array([one is not None for one in labels])
    missing = np.bincount(filled[~kept], minlength=num_variables)
    one_hot = assigned[:, :, None] & (solution[:, :, None] == np.arange(order))
    states = FeasibilityStates(
        problem,
        one_hot.reshape(len(grids), -1)[kept],
        np.array([one for one in labels if one is not None], dtype=np.bool_).reshape(-1, problem.num_candidates),
        filled[kept],
    )
    if not kept.any():
        raise ConfigError(f"label seconds: {suite.label_seconds:g} were too few for every state; give more")
    return Drawn(states, {int(level): int(missing[level]) for level in np.flatnonzero(missing)})


def score_graph_states(scorer: OnnxScorer, states: FeasibilityStates, possible: BoolArray) -> npt.NDArray[np.float32]:
    """Return float32[P, N]: the scores of what is ``possible``, bool[P, N], of several states at a time.

    The only possible candidate of a variable has 0, and what is impossible has -inf.
    """
    encoding = scorer.prepare(CandidateGraph.from_model(LatinSquare(states.problem.order).build()[0])).encoding
    alive = possible | states.assignment
    scores = np.where(alive, np.float32(0), np.float32(-np.inf))
    union: list[GraphState] = []
    rows: list[int] = []

    def flush() -> None:
        if union:
            for row, state, scored in zip(rows, union, scorer.score(union), strict=True):
                scores[row, state.candidate] = scored
        union.clear()
        rows.clear()

    for row in tqdm(range(len(alive)), disable=None, desc=scorer.name, leave=False):
        state = encoding.encode(alive[row])
        if not state.num_scores:
            continue
        union.append(state)
        rows.append(row)
        if sum(state.num_candidates for state in union) >= _UNION_CANDIDATES:
            flush()
    flush()
    return scores


def significant_levels(states: FeasibilityStates, difference: FloatArray) -> dict[str, Any]:
    """Count the fill levels whose mean of paired differences, float64[P], is below, or above, 0 with 95 % confidence.

    The interval of a level is the mean plus or minus 1.96 standard errors. Of levels without any difference, one in
    forty is expected on either side by chance.
    """
    count, mean, variance = _by_level(states, difference)
    tested = count > 1
    half = 1.96 * np.sqrt(variance)
    worse, better = tested & (mean + half < 0), tested & (mean - half > 0)
    return {
        "levels_tested": int(tested.sum()),
        "levels_worse": np.flatnonzero(worse).tolist(),
        "levels_better": np.flatnonzero(better).tolist(),
    }


def refuse_leak(squares: npt.NDArray[np.uint8], path: Path, first_value: int = 1) -> None:
    """Check that no test square, of uint8[S, n, n] or uint8[S, n, 1] of n values, is one of a training pool.

    Raises:
        PoolError: a square occurs in the pool, or the pool cannot be read.
    """
    solutions = read_pool(path, squares[0].size, first_value, num_values=squares.shape[1]).solutions
    pool = {row.tobytes() for row in solutions.astype(np.uint8)}
    leaked = sum(square.tobytes() in pool for square in squares)
    if leaked:
        raise PoolError(f"{path}: {leaked} of {len(squares)} test squares occur in this pool; choose another --seed")


def summarise(states: FeasibilityStates, outcome: FloatArray) -> dict[str, Any]:
    """Return the result of one arm from its outcomes, float64[P].

    The mean is over fill levels, each with equal weight. Its 95 % half width is 1.96 standard errors of that stratified
    mean, from the variance of the outcomes inside each level, states being independent.
    """
    count, curve, variance = _by_level(states, outcome)
    present = count > 0
    half_width = None
    if count[present].min() > 1:
        half_width = round(float(1.96 * np.sqrt(variance[present].sum()) / present.sum()), 5)
    worst = int(np.nanargmin(curve))
    return {
        "mean": round(float(np.nanmean(curve)), 5),
        "half_width_95": half_width,
        "worst": round(float(curve[worst]), 5),
        "worst_filled": worst,
        "curve": [round(float(value), 4) if there else None for value, there in zip(curve, present, strict=True)],
        "states_per_level": count.tolist(),
    }


def _by_level(states: FeasibilityStates, outcome: FloatArray) -> tuple[npt.NDArray[np.int64], FloatArray, FloatArray]:
    """Return of each fill level how many states it has, the mean, and its variance (NaN below two states)."""
    count, mean = np.bincount(states.filled, minlength=states.problem.num_variables), states.by_level(outcome)
    squares = np.bincount(states.filled, weights=(outcome - mean[states.filled]) ** 2, minlength=len(count))
    variance = np.full(len(count), np.nan)
    several = count > 1
    variance[several] = squares[several] / (count[several] - 1) / count[several]
    return count, mean, variance


def summary(records: Sequence[Record]) -> Group:
    """Return what one run of the suite found, for each order: tables, and curves of every question and propagation."""
    blocks: list[Block] = []
    for order in dict.fromkeys(record["config"]["order"] for record in records):
        same = [record for record in records if record["config"]["order"] == order]
        blocks.append(share_table(same))
        compared = [record for record in same if "compared" in record["config"]]
        blocks += [comparison_table(compared)] if compared else []
        # Singles, which are a propagation of their own, are drawn beside full propagation.
        blocks += [
            curve_chart(same, question, (propagation, "singles") if propagation == "full" else (propagation,))
            for question in QUESTIONS
            for propagation in PROPAGATORS
        ]
    return Group("", blocks)


def share_table(records: Sequence[Record]) -> Table:
    """Return a row for each arm, question and propagation of one order; comparisons are left out."""
    config = records[0]["config"]
    leaks = f"none in {', '.join(config['pools'])}" if config["pools"] else "not compared with a training pool (--pool)"
    levels = f" at {config['levels']} fill levels" if "levels" in config else ""
    note = "mean: over fill levels, with its 95 % half width; worst: the lowest fill level, and the cells filled there"
    if "label_seconds" in config:
        left_out = records[0]["result"]["left_out"]
        note += (
            f"\n{sum(left_out.values())} states left out, whose exact labels took more than "
            f"{config['label_seconds']:g} s" + (f" (at {', '.join(left_out)} cells filled)" if left_out else "")
        )
    rows = []
    for record in records:
        asked, result = record["config"], record["result"]
        if "compared" not in asked:
            cells: list[Cell] = [
                asked["arm"],
                asked["question"],
                asked["propagation"],
                f"{result['mean']:.4f}",
                _half_width(result),
                f"{result['worst']:.3f}",
                result["worst_filled"],
                sum((result.get("left_out") or {}).values()),
            ]
            rows.append(TableRow(cells, asked["arm"]))
    return Table(
        f"order {config['order']}: {config['states']} states{levels} from {config['squares']} squares, {leaks}; "
        f"seed {config['seed']}",
        ["arm", "question", "propagation", "mean", "± 95 %", "worst", "filled", "states left out"],
        rows,
        note,
        page_only=["states left out"],
    )


def comparison_table(records: Sequence[Record]) -> Table:
    """Return a row for each comparison of two networks on the same states."""
    rows = []
    for record in records:
        config, result = record["config"], record["result"]
        order = f"order {config['order']}"
        cells: list[Cell] = [
            f"{config['arm']} (fixed cell, {config['propagation']}, same states): {result['mean']:+.4f}",
            _half_width(result),
            order,
            result["levels_tested"],
            len(result["levels_worse"]),
            len(result["levels_better"]),
            f"{result['worst']:+.3f} ({result['worst_filled']})",
        ]
        rows.append(TableRow(cells, config["arm"], Place(QUASIGROUP, order)))
    return Table(
        "Two networks on the same states, a value for a fixed cell",
        ["difference", "± 95 %", "squares", "fill levels", "significantly worse", "better", "lowest (filled)"],
        rows,
        "Without any difference, one level in forty is expected on either side by chance.",
    )


def curve_chart(records: Sequence[Record], question: str, propagations: Sequence[str]) -> Chart:
    """Draw the share of feasible suggestions at one order by fill level, after the first of the propagations.

    Networks after the others are drawn beside it under two names.
    """
    first = propagations[0]
    shown: dict[str, dict[str, Any]] = {}
    for record in records:
        config = record["config"]
        if config["question"] == question and config["propagation"] in propagations and "compared" not in config:
            beside = config["propagation"] != first and "model" in config
            shown[f"{config['arm']}, {config['propagation']}" if beside else config["arm"]] = record["result"]
    series = [
        Series(
            arm,
            [(level, value) for level, value in enumerate(result["curve"]) if value is not None],
            "line",
            f"{result['mean']:.3f}",
        )
        for arm, result in sorted(shown.items(), key=lambda entry: -entry[1]["mean"])
    ]
    return Chart(
        f"{question.capitalize()}: {_WORDS[first]}",
        Axis("filled cells"),
        Axis("feasible suggestions", domain=(0, 1)),
        series,
        "Beside the names: the mean over fill levels.",
    )


def _half_width(result: dict[str, Any]) -> str | None:
    return None if result["half_width_95"] is None else f"{result['half_width_95']:.4f}"


def _pool_digest(path: Path) -> str:
    if not path.is_file():
        raise PoolError(f"{path}: expected a file of solutions (.npz or .csv), found none")
    return file_digest(path)
