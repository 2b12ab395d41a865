"""The feasibility test on fresh squares: suggestion by suggestion, is it one that some solution contains?

``training.feasibility`` asks the questions and explains them; this suite asks them of every arm, with every propagation
at test time, on the same states.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from benchmarks.networks import Network, file_digest
from benchmarks.records import Job, Record
from benchmarks.squares import fresh_squares
from nnsearch.errors import ConfigError, ModelFileError, PoolError
from nnsearch.problems.latin_square import LatinSquare
from nnsearch.propagation import SinglesPropagation
from training.feasibility import (
    PROPAGATORS,
    BoolArray,
    FeasibilityStates,
    FloatArray,
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
from training.pools.pool import read_pool

QUESTIONS = ("free choice", "fixed cell")

Outcome = Callable[[FeasibilityStates, BoolArray], FloatArray]
"""(states, possible suggestions) -> float64[P], 1 (or its expectation) where the suggestion is feasible."""

Judge = Callable[[FeasibilityStates, npt.NDArray[np.float32], BoolArray], FloatArray]
"""(states, scores, possible suggestions) -> float64[P], 1 where the best-scored suggestion is feasible."""


@dataclass(frozen=True)
class Feasibility:
    """What to measure.

    Args:
        order: order of the squares.
        squares: fresh squares to sample; None is one per state. With fewer, states share squares, and the half widths,
            which take states as independent, are slightly too small.
        states: partial solutions, spread evenly over the fill levels 0..order**2 - 1.
        seed: seed of squares and states.
        pools: training pools in which no test square may occur.

    Raises:
        ConfigError: a number is out of range.
    """

    order: int = 10
    squares: int | None = None
    states: int = 10_000
    seed: int = 1
    pools: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        for name, value, least in (("order", self.order, 2), ("states", self.states, 1), ("seed", self.seed, 0)):
            if value < least:
                raise ConfigError(f"{name}: expected {least} or more, got {value}")
        if self.order > 64:
            raise ConfigError(f"order: expected 64 or less (the exact labels are bit masks), got {self.order}")
        if self.squares is not None and self.squares < 1:
            raise ConfigError(f"squares: expected 1 or more, got {self.squares}")


def jobs(suite: Feasibility, networks: Sequence[Network]) -> list[Job]:
    """Return one job for each arm, propagation and question.

    Raises:
        ModelFileError: a network is for another order.
        PoolError: a pool cannot be read; a test square that occurs in one is refused when the first job runs.
    """
    problem = LatinSquare(suite.order)
    for network in networks:
        if network.order != suite.order:
            raise ModelFileError(f"{network.name}: made for order {network.order}, expected order {suite.order}")
    shared = {
        "suite": "feasibility",
        "order": suite.order,
        "squares": suite.squares or suite.states,
        "states": suite.states,
        "seed": suite.seed,
        "pools": [f"{path.name}:{_pool_digest(path)}" for path in suite.pools],
    }

    @cache
    def states() -> FeasibilityStates:
        squares = fresh_squares(suite.order, suite.squares or suite.states, suite.seed)
        for path in suite.pools:
            refuse_leak(squares, path)
        indices = squares.reshape(len(squares), -1) - np.uint8(1)
        return draw_states(problem, indices, suite.states, np.random.default_rng(suite.seed))

    @lru_cache(maxsize=1)
    def scores(network: int) -> npt.NDArray[np.float32]:
        return score_states(networks[network].scorer.score, states())

    def suggest(judge: Judge, network: int, states: FeasibilityStates, possible: BoolArray) -> FloatArray:
        return judge(states, scores(network), possible)

    def measure(outcome: Outcome, propagation: str) -> dict[str, Any]:
        return summarise(states(), outcome(states(), _possible(states(), propagation)))

    arms: list[tuple[dict[str, Any], Sequence[str], str, Outcome]] = [
        ({"arm": "rnd"}, PROPAGATORS, "free choice", random_free_choice),
        ({"arm": "rnd"}, PROPAGATORS, "fixed cell", random_fixed_cell),
        # It chooses the cell itself, so there is no fixed cell.
        ({"arm": "smallest-domain"}, PROPAGATORS[1:], "free choice", smallest_domain),
        ({"arm": "singles"}, ("singles",), "free choice", lambda states, _: singles(states)),
        ({"arm": "singles"}, ("singles",), "fixed cell", random_fixed_cell),
    ]
    for i, network in enumerate(networks):
        arm = {"arm": network.name, **network.config}
        for question, judge in (("free choice", free_choice), ("fixed cell", fixed_cell)):
            arms.append((arm, PROPAGATORS, question, partial(suggest, judge, i)))
    return [
        Job({**shared, **arm, "propagation": propagation, "question": question}, partial(measure, outcome, propagation))
        for arm, propagations, question, outcome in arms
        for propagation in propagations
    ]


def draw_states(
    problem: LatinSquare, solutions: npt.NDArray[np.uint8], count: int, rng: np.random.Generator
) -> FeasibilityStates:
    """Draw labelled states as :func:`training.feasibility.make_states` does, in chunks that Ctrl-C can come between.

    Args:
        problem: the problem.
        solutions: uint8[S, V] of value indices; used in turn.
        count: P, number of states.
        rng: source of the variables that stay assigned.
    """
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


def refuse_leak(squares: npt.NDArray[np.uint8], path: Path) -> None:
    """Check that no test square is one of a training pool.

    Args:
        squares: uint8[S, n, n] of values 1..n.
        path: the pool, as :func:`training.pools.pool.read_pool` takes it.

    Raises:
        PoolError: a square occurs in the pool, or the pool cannot be read.
    """
    order = squares.shape[1]
    solutions = read_pool(path, order**2, first_value=1, num_values=order).solutions
    pool = {row.tobytes() for row in solutions.astype(np.uint8)}
    leaked = sum(square.tobytes() in pool for square in squares)
    if leaked:
        raise PoolError(f"{path}: {leaked} of {len(squares)} test squares occur in this pool; choose another --seed")


def summarise(states: FeasibilityStates, outcome: FloatArray) -> dict[str, Any]:
    """Return the result of one arm.

    The mean is over fill levels, each with equal weight. Its 95 % half width is 1.96 standard errors of that stratified
    mean, from the variance of the outcomes inside each level, states being independent.

    Args:
        states: P states.
        outcome: float64[P], see :data:`Outcome`.
    """
    levels = states.problem.num_variables
    curve = states.by_level(outcome)
    count = np.bincount(states.filled, minlength=levels)
    present = count > 0
    half_width = None
    if count[present].min() > 1:
        squares = np.bincount(states.filled, weights=(outcome - curve[states.filled]) ** 2, minlength=levels)
        variance = squares[present] / (count[present] - 1)
        half_width = round(float(1.96 * np.sqrt((variance / count[present]).sum()) / present.sum()), 5)
    worst = int(np.nanargmin(curve))
    return {
        "mean": round(float(np.nanmean(curve)), 5),
        "half_width_95": half_width,
        "worst": round(float(curve[worst]), 5),
        "worst_filled": worst,
        "curve": [round(float(value), 4) if there else None for value, there in zip(curve, present, strict=True)],
        "states_per_level": count.tolist(),
    }


def table(records: Sequence[Record]) -> str:
    """Return the summary of one run of the suite."""
    config = records[0]["config"]
    leaks = f"none in {', '.join(config['pools'])}" if config["pools"] else "not compared with a training pool (--pool)"
    lines = [
        f"order {config['order']}: {config['states']} states from {config['squares']} squares, {leaks}; "
        f"seed {config['seed']}",
        "mean over fill levels ± 95 % half width; worst level (cells filled)",
        "",
        f"{'arm':24}{'propagation':13}" + "  ".join(f"{question:>15}{'worst':>14}" for question in QUESTIONS),
    ]
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for record in records:
        result = record["result"]
        width = "" if result["half_width_95"] is None else f" ±{result['half_width_95']:.3f}"
        worst = f"{result['worst']:.3f} ({result['worst_filled']})"
        row = rows.setdefault((record["config"]["arm"], record["config"]["propagation"]), {})
        row[record["config"]["question"]] = f"{result['mean']:.3f}{width}".rjust(15) + worst.rjust(14)
    for (name, propagation), answers in rows.items():
        lines.append(f"{name:24}{propagation:13}" + "  ".join(answers.get(q, f"{'-':>15}{'-':>14}") for q in QUESTIONS))
    return "\n".join(lines)


def _possible(states: FeasibilityStates, propagation: str) -> BoolArray:
    """Return bool[P, N]: what may be suggested after propagation."""
    if propagation != "singles":
        return possible_candidates(states, propagation)
    propagate = SinglesPropagation(states.problem.groups(), states.problem.num_candidates)
    assigned, possible = propagate(states.assignment)
    # A cell that propagation fills may still be asked for: its one value is suggested.
    open_: BoolArray = possible | (assigned & ~states.assignment)
    return open_


def _pool_digest(path: Path) -> str:
    if not path.is_file():
        raise PoolError(f"{path}: expected a file of solutions (.npz or .csv), found none")
    return file_digest(path)
