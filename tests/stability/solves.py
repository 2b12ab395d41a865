"""The solves whose decisions must stay the same: ``python tests/stability/solves.py`` records them again.

A change of the code that is not meant to change a decision leaves every figure of ``solves.json`` as it is. One that is
meant to says so in CHANGELOG and records the file again.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import ortools
from ortools.sat.python import cp_model

import nnsearch
from nnsearch import cp, cpsat
from nnsearch.cp.search_options import SearchOptions
from nnsearch.inference.pretrained import find_model
from nnsearch.problems import graph_colouring, n_queens, sudoku
from nnsearch.problems.latin_square.generating import balanced_holes
from nnsearch.problems.latin_square.problem import LatinSquare
from nnsearch.result import SolveResult

RECORD = Path(__file__).parent / "solves.json"
_FAILURES = 150
ENDLESS = cpsat.Dives(seconds=600.0)
"""CP-SAT ends what a dive leaves by itself, so the clock decides nothing."""

Built = tuple[cp_model.CpModel, list[cp_model.IntVar]]


@dataclass(frozen=True)
class Case:
    """One solve.

    Attributes:
        name: unique.
        model: makes the model and the variables that the network is asked about.
        network: name of a pretrained network; None is a search without one.
        engine: ``cp``, ``cp-sat``, ``dives``, ``race`` or ``many``.
        options: of a search in the CP engine.
    """

    name: str
    model: Callable[[], Built]
    network: str | None
    engine: str = "cp"
    options: dict[str, Any] = field(default_factory=dict)


def quasigroup(order: int, holes: float, seed: int) -> Callable[[], Built]:
    """Return what builds a Latin square with holes."""

    def build() -> Built:
        rng = np.random.default_rng(seed)
        square = (rng.permutation(order)[:, None] + rng.permutation(order)) % order + 1
        empty = balanced_holes(rng.permutation(order)[square - 1] + 1, round(holes * order**2), rng.permutation(order))
        return LatinSquare(order).build(np.where(empty, 0, square))

    return build


def knapsack_of_queens() -> Built:
    """Eight queens, the weighted sum of the rows of the first five as small as possible."""
    model, queens = n_queens.generate(8, 0, 1, 1)[0][0].build()
    model.minimize(sum((3 * place + 2) * queen for place, queen in enumerate(queens[:5])))
    return model, queens


def hinted_square() -> Built:
    """A square whose hint is right for a third of the cells."""
    model, cells = quasigroup(14, 0.5, 5)()
    for place, cell in enumerate(cells[::3]):
        model.add_hint(cell, place % 14 + 1)
    return model, cells


def everything() -> Built:
    """A model of many kinds of constraints, with an objective that is maximised."""
    model = cp_model.CpModel()
    x = [model.new_int_var(0, 6, f"x{i}") for i in range(7)]
    b = [model.new_bool_var(f"b{i}") for i in range(5)]
    model.add_all_different(x[:5])
    model.add(x[0] + 2 * x[1] <= 9)
    model.add(x[5] == 3).only_enforce_if(b[0])
    model.add(x[5] != x[6])
    model.add_bool_or(b[:3])
    model.add_at_most_one(b[1:])
    model.add_element(x[6], [3, 1, 4, 1, 5, 2, 6], x[4])
    model.add_allowed_assignments(x[2:4], [(i, (3 * i + 1) % 7) for i in range(7)])
    model.add_max_equality(x[6], x[1:3])
    tasks = [model.new_fixed_size_interval_var(one, 2, f"t{i}") for i, one in enumerate(x[3:6])]
    model.add_no_overlap(tasks)
    model.maximize(sum(x) + 3 * b[3] - b[0])
    return model, [*x, *b]


def roster() -> Built:
    """Seven nurses, seven days, two shifts."""
    model = cp_model.CpModel()
    works = [[[model.new_bool_var(f"n{n}d{d}s{s}") for s in range(2)] for d in range(7)] for n in range(7)]
    rng = np.random.default_rng(3)
    for n in range(7):
        for d in range(7):
            model.add_at_most_one(works[n][d])
            if d:
                model.add_implication(works[n][d - 1][1], works[n][d][0].negated())
        model.add(sum(works[n][d][s] for d in range(7) for s in range(2)) <= 5)
    for d in range(7):
        for s in range(2):
            model.add(sum(works[n][d][s] for n in range(7)) == 2)
    flat = [shift for nurse in works for day in nurse for shift in day]
    model.minimize(sum(int(w) * shift for w, shift in zip(rng.integers(0, 9, len(flat)), flat, strict=True)))
    return model, flat


def cases() -> Iterator[Case]:
    """Yield the solves: engines, policies, problems and networks."""
    sudokus = {box: sudoku.generate(box, 0.65, 1, 4)[0][0].build for box in (3, 4)}
    queens = n_queens.generate(24, 3, 1, 2)[0][0].build
    graph = graph_colouring.generate(60, 4, 8.0, 1, 6)[0][0].build
    never = {"restarts": None}
    restarts = {"restarts": cp.Restarts(failures=20, seed=3)}
    problems: dict[str, Callable[[], Built]] = {
        "square-20": quasigroup(20, 0.42, 1),
        "square-25": quasigroup(25, 0.42, 2),
        "sudoku-9": sudokus[3],
        "sudoku-16": sudokus[4],
        "queens-24": queens,
        "colouring-60": graph,
        "objective-queens": knapsack_of_queens,
        "hinted-square": hinted_square,
        "everything": everything,
        "roster": roster,
    }
    for name, build in problems.items():
        for network in ("bp", "universal"):
            yield Case(f"{name}/{network}", build, network, options=restarts)
        yield Case(f"{name}/none", build, None)
    small = quasigroup(10, 0.45, 7)
    for network in ("pls-10-full", "pls-10-agn", "pls-10-rows", "pls-10-solution"):
        yield Case(f"square-10/{network}", small, network, options=never)
        yield Case(
            f"square-10/{network}/most-confident", small, network, options={"variable_order": "most-confident"} | never
        )
    policies: dict[str, dict[str, Any]] = {
        "every-node": {"policy": cp.InferencePolicy(1)},
        "root": {"policy": cp.InferencePolicy(0)},
        "unsure": {"policy": cp.InferencePolicy(0, below=0.6)},
        "after-failure": {"policy": cp.InferencePolicy(20, after_failure=True)},
        "min-domain": {"variable_order": "min-domain"},
        "first": {"variable_order": "first"},
        "sampled": {"sampling": cp.Sampling(5, 0.7)},
        "luby": {"restarts": cp.Restarts(failures=5, schedule="luby", seed=1)},
        "discrepancies": {"discrepancies": cp.Discrepancies()},
    }
    for name, options in policies.items():
        yield Case(f"sudoku-16/bp/{name}", sudokus[4], "bp", options=(never | options))
    for name, options in list(policies.items())[:4]:
        yield Case(f"square-10/pls-10-full/{name}", small, "pls-10-full", options=(never | options))
    for name in ("square-20", "sudoku-16", "queens-24", "objective-queens", "roster"):
        yield Case(f"{name}/bp/dives", problems[name], "bp", "dives")
    yield Case("square-20/bp/cp-sat", problems["square-20"], "bp", "cp-sat")
    yield Case("square-10/pls-10-full/cp-sat", small, "pls-10-full", "cp-sat")
    yield Case("roster/none/cp-sat", roster, None, "cp-sat")
    yield Case("square-25/universal/many", problems["square-25"], "universal", "many", restarts)
    yield Case("square-10/pls-10-agn/many", small, "pls-10-agn", "many", never)
    yield Case("roster/bp/race", roster, "bp", "race")
    yield Case("square-25/bp/race", problems["square-25"], "bp", "race")


def solve(case: Case) -> SolveResult:
    """Solve one case."""
    model, variables = case.model()
    if case.engine == "cp-sat":
        return cpsat.solve(model, variables, case.network, limits=nnsearch.Limits(failures=2000))
    assert case.engine in ("cp", "many") or case.network is not None
    if case.engine == "dives":
        limits = nnsearch.Limits(failures=2000)
        return cpsat.solve_by_dives(model, [case.network or ""], dives=ENDLESS, limits=limits)
    if case.engine == "race":
        return cpsat.solve_by_race(model, case.network or "")
    options = {**case.options, "limits": nnsearch.Limits(failures=_FAILURES)}
    if case.engine == "many":
        (solved,) = nnsearch.solve_many([(model, variables)], case.network or "", SearchOptions(**options))
        assert solved.result is not None, solved.error
        return solved.result
    return cp.solve(model, variables, case.network, SearchOptions(**options))


def figures(case: Case) -> dict[str, Any]:
    """Solve a case and return what must not change.

    Of a race, whose sides are threads, that is the status and the objective alone.
    """
    result = solve(case)
    always = {"status": str(result.status), "objective": result.objective_value}
    if case.engine == "race":
        return always
    solution = result.solution
    return always | {
        "branches": result.branches,
        "failures": result.failures,
        "inference_calls": result.inference.calls,
        "solution": None if solution is None else hashlib.sha256(str(solution).encode()).hexdigest()[:16],
    }


def arithmetic() -> dict[str, str]:
    """Return what the decisions depend on beside this code: versions, and how this processor rounds.

    ONNX Runtime chooses its kernels by the processor, and a score that is rounded differently can break a tie
    differently. The digest is of the scores that one network gives to one fixed graph.
    """
    rng = np.random.default_rng(0)
    candidates, groups, edges = 512, 96, 1536
    feed = {
        "edge_candidate": rng.integers(candidates, size=edges),
        "edge_group": np.sort(rng.integers(groups, size=edges)),
        "group_features": np.eye(7, dtype=np.float32)[rng.integers(2, size=groups)],
        "candidate_features": rng.random((candidates, 1), dtype=np.float32),
    }
    digest = hashlib.sha256()
    for network in ("bp", "universal"):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(find_model(network), options, providers=["CPUExecutionProvider"])
        digest.update(session.run(["scores"], feed)[0].tobytes())
    return {
        "ortools": ortools.__version__,
        "onnxruntime": onnxruntime.__version__,
        "scores": digest.hexdigest()[:16],
    }


def main(names: Sequence[str]) -> None:
    """Record the cases of these names, or all."""
    record: dict[str, dict[str, Any]] = (
        json.loads(RECORD.read_text()) if names else {"arithmetic": arithmetic(), "solves": {}}
    )
    for case in cases():
        if not names or case.name in names:
            record["solves"][case.name] = figures(case)
            sys.stderr.write(f"{case.name}: {record['solves'][case.name]}\n")
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(one)}" for name, one in record["solves"].items())
    RECORD.write_text(f'{{"arithmetic": {json.dumps(record["arithmetic"])},\n "solves": {{\n{lines}\n}}}}\n')


if __name__ == "__main__":
    main(sys.argv[1:])
