"""Random models, parameters, callbacks, stops and failing scorers.

A thousand runs take some minutes, and say how the memory grows::

    PYTHONPATH=. python tests/nnsearch/cpsat/test_cpsat_solver_stress.py 1000  # and a seed, if not 1
"""

from __future__ import annotations

import itertools
import logging
import os
import random
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from ortools.sat.python import cp_model
from stand_ins import RandomGraphScorer
from stopping import bounded
from test_cpsat_samples import SAMPLES

from nnsearch.cpsat import CpSolver, Dives, RaceOptions
from nnsearch.encoding.candidate_graph import GraphState
from nnsearch.errors import ScoreError
from nnsearch.scorers.onnx import load_scorer
from nnsearch.scorers.scorer import FloatArray

SOLVED = (cp_model.OPTIMAL, cp_model.FEASIBLE)
MOST_GROWTH = 60.0  # megabytes; an engine that is kept in every solve would be several times as much
FAILURES = ("none", "none", "none", "raise", "nan", "shape")


class StressScorer(RandomGraphScorer):
    """Fails in one of several ways after some states; forgets what it was shown."""

    failure = "none"
    after = 0

    def scores(self, state: GraphState) -> FloatArray:
        self.after -= 1
        scores = super().scores(state)
        if self.after >= 0 or self.failure == "none":
            return scores
        if self.failure == "raise":
            raise ZeroDivisionError("no scores today")
        return scores[:-1] if self.failure == "shape" else np.full_like(scores, np.nan)


class Watcher(cp_model.CpSolverSolutionCallback):  # type: ignore[misc]
    """Remembers objectives; may stop the search, or fail."""

    def __init__(self, behaviour: str, after: int) -> None:
        super().__init__()
        self.objectives: list[float] = []
        self._behaviour, self._after = behaviour, after

    def on_solution_callback(self) -> None:
        self.objectives.append(self.objective_value)
        if len(self.objectives) >= self._after:
            if self._behaviour == "stop":
                self.stop_search()
            elif self._behaviour == "fail":
                raise LookupError("in the callback")


def random_model(rng: random.Random) -> cp_model.CpModel:
    """A model that plain CP-SAT solves within seconds, mostly within milliseconds."""
    if rng.random() < 0.2:
        return SAMPLES[rng.choice(sorted(SAMPLES))]()
    model = cp_model.CpModel()
    n = rng.randint(1, 14)
    x = [model.new_int_var(low := rng.randint(-5, 5), low + rng.randint(0, 14), f"x{i}") for i in range(n)]
    b = [model.new_bool_var(f"b{i}") for i in range(rng.randint(1, 10))]
    for _ in range(rng.randint(1, 6)):
        some = rng.sample(x, rng.randint(1, n))
        literals = [rng.choice((one, ~one)) for one in rng.sample(b, rng.randint(1, len(b)))]
        total = sum(rng.randint(-4, 4) * one for one in some)
        kind = rng.randrange(11)
        if kind in (0, 1):
            model.add_all_different(some)
        elif kind == 2:
            model.add(total >= rng.randint(-15, 15))
        elif kind == 3:
            model.add(total == rng.randint(-10, 10)).only_enforce_if(rng.choice(literals))
        elif kind == 4:
            rng.choice([model.add_bool_or, model.add_at_most_one, model.add_exactly_one])(literals)
        elif kind == 5:
            model.add_max_equality(rng.choice(x), some)
        elif kind == 6:
            model.add_element(rng.choice(x), [rng.randint(-5, 9) for _ in range(12)], rng.choice(x))
        elif kind == 7:
            rows = [[rng.randint(-5, 12) for _ in some] for _ in range(30)]
            rng.choice([model.add_allowed_assignments, model.add_forbidden_assignments])(some, rows)
        elif kind == 8:
            intervals = [model.new_fixed_size_interval_var(one, rng.randint(1, 4), "") for one in some]
            model.add_cumulative(intervals, [rng.randint(1, 3) for _ in some], 4)
        elif kind == 9:
            model.add_multiplication_equality(rng.choice(x), rng.choice(x), rng.choice(x))
        else:
            for one, other in itertools.pairwise(some):
                model.add(one != other)
    if rng.random() < 0.1:  # hard: nobody proves anything
        y = [model.new_bool_var(f"y{i}") for i in range(35)]
        weights = [rng.randrange(1000) for _ in y]
        slack = model.new_int_var(0, 5000, "slack")
        model.add(sum(w * v for w, v in zip(weights, y, strict=True)) + slack == sum(weights) // 2)
        model.add(sum(v * w for w, v in zip(reversed(weights), y, strict=True)) - slack == sum(weights) // 2)
        model.minimize(slack)
    elif rng.random() < 0.6:
        factor = rng.choice([1, 1, 1, 0.5, 1.0])
        objective = sum(factor * rng.randint(-9, 9) * one for one in [*x, *b]) + rng.randint(-3, 3)
        rng.choice([model.minimize, model.maximize])(objective)
    if rng.random() < 0.2:
        for one in rng.sample(x, rng.randint(1, n)):
            model.add_hint(one, rng.randint(-5, 15))
    return model


def holds(model: cp_model.CpModel, values: list[int]) -> bool:
    fixed = model.clone()
    fixed.clear_hints()
    for index, value in enumerate(values):
        fixed.add(fixed.get_int_var_from_proto_index(index) == value)
    return bool(cp_model.CpSolver().solve(fixed) in SOLVED)


def check(model: cp_model.CpModel, solver: CpSolver, status: Any, watcher: Watcher | None) -> None:
    """Compare an answer with CP-SAT's own, and the callback with the answer."""
    plain = cp_model.CpSolver()
    plain.parameters.num_workers = 1
    plain.parameters.max_time_in_seconds = 1
    truth = plain.solve(model)
    assert truth != cp_model.MODEL_INVALID
    assert status != cp_model.MODEL_INVALID
    maximises = "maximize" in str(model.proto) or "scaling_factor: -" in str(model.proto)
    sign = -1 if maximises else 1
    if status == cp_model.INFEASIBLE:
        assert truth not in SOLVED, "a contradictory proof"
    if status in SOLVED:
        assert truth != cp_model.INFEASIBLE, "a contradictory proof"
        values = list(solver.response_proto.solution)
        assert holds(model, values)
        if model.has_objective():
            value, bound = sign * solver.objective_value, sign * solver.best_objective_bound
            assert bound <= value + 1e-6
            if truth in SOLVED:
                assert bound <= sign * plain.objective_value + 1e-6, "a bound above a solution"
                assert value >= sign * plain.best_objective_bound - 1e-6, "better than the best"
            if truth == status == cp_model.OPTIMAL:
                assert abs(solver.objective_value - plain.objective_value) < 1e-6
        else:
            assert status == cp_model.OPTIMAL
    if watcher is not None:
        assert set(vars(watcher)) == {"objectives", "_behaviour", "_after"}
        assert (status in SOLVED) == bool(watcher.objectives)
        if status in SOLVED:
            assert watcher.objectives[-1] == solver.objective_value
            assert model.has_objective() or len(watcher.objectives) == 1
        signed = [sign * objective for objective in watcher.objectives]
        assert all(b < a for a, b in itertools.pairwise(signed))


def solve_once(rng: random.Random, solver: CpSolver, scorer: StressScorer, outcomes: Counter[str]) -> None:
    model = random_model(rng)
    before = str(model.proto)
    scorer.seed, scorer.failure, scorer.after = rng.randrange(99), rng.choice(FAILURES), rng.randrange(6)
    raises = rng.random() < 0.3
    solver._scorer = rng.choice([scorer, scorer, BP])
    solver._on_error = "raise" if raises else "log"
    solver._options = RaceOptions(
        head_start=rng.choice([0, 0, 0.005, 0.03]),
        grant=rng.choice([0, 0.02, 0.1]),
        share=rng.choice([0.02, 1]),
        search_failures=rng.choice([0, 3, 100]),
        dives=rng.choice([None, Dives(), Dives(seconds=0.01)]),
    )
    parameters = solver.parameters = cp_model.CpSolver().parameters
    parameters.max_time_in_seconds = rng.choice([0.001, 0.003, 0.01, 0.05, 0.3, 0.6])
    parameters.random_seed = rng.randrange(99)
    if rng.random() < 0.9:
        parameters.num_workers = rng.randint(1, 4)
    else:
        parameters.num_search_workers = rng.randint(1, 4)
    # CP-SAT 9.15 itself crashes on some cumulatives without presolve.
    scheduling = any(constraint.has_cumulative() for constraint in model.proto.constraints)
    parameters.cp_model_presolve = rng.random() < 0.8 or scheduling
    parameters.linearization_level = rng.randint(0, 2)
    parameters.catch_sigint_signal = rng.random() < 0.8
    parameters.log_search_progress = rng.random() < 0.3
    parameters.log_to_stdout = False
    parameters.log_to_response = rng.random() < 0.3
    threads = set(threading.enumerate())
    lines: list[str] = []
    solver.log_callback = lines.append if rng.random() < 0.5 else None
    bounds: list[float] = []
    solver.best_bound_callback = bounds.append if rng.random() < 0.5 else None
    watcher = None
    behaviour = rng.choice(["none", "none", "watch", "watch", "stop", "fail"])
    if behaviour != "none":
        watcher = Watcher(behaviour, rng.randint(1, 3))
    stopper = None
    if rng.random() < 0.2:
        stopper = threading.Timer(rng.random() * 0.1, solver.stop_search)
        stopper.start()
    try:
        with bounded():
            status = solver.solve(model, watcher)
    except LookupError:
        assert behaviour == "fail"
        outcomes["LookupError"] += 1
    except (ZeroDivisionError, ScoreError):
        assert raises
        outcomes["scorer failed"] += 1
    else:
        assert solver.race is not None
        outcomes[f"{solver.race.winner} {status.name}"] += 1
        check(model, solver, status, watcher)
    assert str(model.proto) == before
    if stopper is not None:
        stopper.join()
    assert set(threading.enumerate()) <= threads


BP = load_scorer("bp")


def stress(count: int, seed: int, report: Callable[[str], object] = lambda line: None) -> Counter[str]:
    """Solve that many models with a few solvers; return how often each outcome came.

    Of 300 models or more, the last two thirds must not leave more than ``MOST_GROWTH`` megabytes behind. A thousand::

        PYTHONPATH=. python tests/nnsearch/cpsat/test_cpsat_solver_stress.py 1000
    """
    logging.getLogger("nnsearch").setLevel(logging.CRITICAL)
    scorer = StressScorer()
    solvers = [CpSolver(scorer) for _ in range(3)]
    outcomes: Counter[str] = Counter()
    before = resident_megabytes()
    try:
        for number in range(count):
            rng = random.Random(f"{seed}/{number}")
            try:
                solve_once(rng, rng.choice(solvers), scorer, outcomes)
            except BaseException as error:
                error.add_note(f"model {number} of seed {seed}")
                raise
            if number == count // 3:  # by now the allocators have what they need
                before = resident_megabytes()
            if number % 100 == 99:
                report(f"{number + 1}: {resident_megabytes():.1f} MB, {dict(sorted(outcomes.items()))}\n")
    finally:
        logging.getLogger("nnsearch").setLevel(logging.NOTSET)
    if count >= 300:
        growth = resident_megabytes() - before
        assert growth < MOST_GROWTH, f"{growth:.1f} MB are still held"
    return outcomes


def resident_megabytes() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def test_nothing_breaks() -> None:
    assert sum(stress(40, seed=0).values()) == 40  # who wins depends on the machine


if __name__ == "__main__":
    stress(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1, sys.stdout.write)
