"""The cost of the straight-through loss beside the semantic loss, as clauses grow."""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Annotated, Any

import numpy as np
import torch
from ortools.sat.python import cp_model
from torch import Tensor

from benchmarks.options import Options
from benchmarks.own_process import OwnProcess
from benchmarks.records import Job, Record
from benchmarks.rendering.parts import Axis, Cell, Chart, Group, Point, Series, Table, TableRow
from benchmarks.studies.cl_ste.tasks.membership import membership_clauses
from benchmarks.studies.cl_ste.tasks.picture_task import PictureAtoms
from benchmarks.studies.cl_ste.training.semantic_loss import Diagram, semantic_loss
from nnsearch.problems.latin_square.problem import LatinSquare
from nnsearch.problems.sudoku.problem import Sudoku
from training.config import above, at_least
from training.losses.cnf import Cnf, from_model
from training.losses.cnf_ste import ClauseMatrix, binarise, cnf_loss

ARMS = ("straight-through", "semantic loss")
EPOCH = 3000
"""Examples of an epoch in the tasks of the study."""
_STEPS_SECONDS = 3600.0  # of the timed steps on a compiled diagram


@dataclass(frozen=True)
class Cost(Options):
    """What to measure.

    Args:
        batch: B, examples of a step.
        repeats: timed steps.
        seed: of the probabilities.
        compile_seconds: limit for a diagram.
        threads: CPU threads.
    """

    batch: Annotated[int, at_least(1)] = 16
    repeats: Annotated[int, at_least(1)] = 10
    seed: int = 1
    compile_seconds: Annotated[float, above(0)] = 120.0
    threads: Annotated[int, at_least(1)] = 1


def problems() -> dict[str, list[str]]:
    """Return the problems by family, smallest first; :func:`problem_clauses` knows their names."""
    return {
        "member": [f"member {n}" for n in (1, 2, 3, 5, 10)],
        "sum": ["sum 3", "sum 5", "sum 10"],
        "permutation": [f"permutation {n}" for n in range(3, 10)],
        "latin square": [f"latin-square {n}" for n in (2, 3, 4, 6, 9)],
        "sudoku": ["sudoku 4", "sudoku 9"],
    }


def problem_clauses(problem: str) -> Cnf:
    """Return the clauses of a problem, those on single values included.

    ``member n``: is this digit among n pictures; ``sum n``: two numbers below n and their sum; the others are what
    their names say, of that order.
    """
    name, _, number = problem.partition(" ")
    n = int(number)
    if name == "member":
        about = PictureAtoms(n, 10)
        return Cnf.from_clauses(about.size + 20, membership_clauses(about) + about.one_class())
    if name == "latin-square":
        return from_model(LatinSquare(n).build()[0], each_value=True)
    if name == "sudoku":
        return from_model(Sudoku("", np.zeros((n, n), dtype=np.int64)).build()[0], each_value=True)
    model = cp_model.CpModel()
    if name == "permutation":
        model.add_all_different([model.new_int_var(1, n, "") for _ in range(n)])
    else:
        one, other, total = (model.new_int_var(0, most, "") for most in (n - 1, n - 1, 2 * n - 2))
        model.add(one + other == total)
    return from_model(model, each_value=True)


def jobs(suite: Cost) -> list[Job]:
    """Return one job for each problem and loss."""
    return [
        Job(
            {
                "suite": "cl-ste-cost",
                "family": family,
                "problem": problem,
                "arm": arm,
                "batch": suite.batch,
                "repeats": suite.repeats,
                "seed": suite.seed,
                **({"compile_seconds": suite.compile_seconds} if arm == ARMS[1] else {}),
            },
            partial(_measure, suite, problem, arm),
        )
        for family, names in problems().items()
        for problem in names
        for arm in ARMS
    ]


def epoch_seconds(ms: float, batch: int) -> float:
    """Return the seconds of the steps of an epoch, from the milliseconds of one step."""
    return ms / 1000 * EPOCH / batch


def summary(records: Sequence[Record]) -> Group:
    """Return a row for each problem and loss, and a dot for each: the seconds of an epoch as clauses grow."""
    rows = []
    dots: dict[str, tuple[list[Point], list[Point]]] = {}
    for record in records:
        config, result = record["config"], record["result"]
        compiled = result.get("compiled")
        seconds = None if result["ms"] is None else float(f"{epoch_seconds(result['ms'], config['batch']):.3g}")
        cells: list[Cell] = [
            config["problem"],
            config["arm"],
            result["clauses"],
            result["atoms"],
            result["ms"],
            seconds,
            result.get("compile_seconds") if compiled is not False else f"over {config['compile_seconds']:.3g}",
            result.get("size"),
        ]
        rows.append(TableRow(cells, config["arm"]))
        done, given_up = dots.setdefault(config["arm"], ([], []))
        if seconds is not None:
            done.append((float(result["clauses"]), seconds))
        else:
            given_up.append((float(result["clauses"]), float(config["compile_seconds"])))
    chart = Chart(
        f"Seconds of an epoch of {EPOCH:,} examples as clauses grow",
        Axis("clauses", "log"),
        Axis("seconds", "log"),
        [Series(arm, sorted(done), "dot", "", sorted(given_up)) for arm, (done, given_up) in dots.items()],
        "Forward and backward of the loss alone, one thread. Rings: no diagram within the limit, at the seconds that "
        "were spent on it.",
    )
    table = Table(
        "Each problem",
        ["problem", "loss", "clauses", "atoms", "ms a step", "s an epoch", "compiled in, s", "diagram's nodes"],
        rows,
        f"Steps of {records[0]['config']['batch']} examples, median of {records[0]['config']['repeats']}.",
        folded=True,
    )
    return Group("", [chart, table])


def _measure(suite: Cost, problem: str, arm: str) -> dict[str, Any]:
    cnf = problem_clauses(problem)
    result: dict[str, Any] = {
        "atoms": cnf.num_atoms,
        "clauses": cnf.num_clauses,
        "literals": len(cnf.literals),
        "ms": None,
    }
    if arm == ARMS[1]:
        return result | _in_own_process(suite, problem)
    torch.set_num_threads(suite.threads)
    matrix = ClauseMatrix.of(cnf)
    facts = torch.zeros(suite.batch, cnf.num_atoms)
    return result | {"ms": _step_ms(suite, cnf, lambda p: cnf_loss(binarise(p), facts, matrix).total())}


def _step_ms(suite: Cost, cnf: Cnf, loss: Callable[[Tensor], Tensor]) -> float:
    """Return the median milliseconds of the loss and its gradient, on random probabilities."""
    generator = torch.Generator().manual_seed(suite.seed)
    times = []
    for _ in range(suite.repeats + 1):
        probability = torch.rand(suite.batch, cnf.num_atoms, generator=generator).requires_grad_()
        started = time.perf_counter()
        torch.autograd.grad(loss(probability), probability)
        times.append(1000 * (time.perf_counter() - started))
    return round(statistics.median(times[1:]), 4)  # the first step warms up


def _in_own_process(suite: Cost, problem: str) -> dict[str, Any]:
    """Measure the semantic loss where it can be ended: the compiler has no limit of its own."""
    process = OwnProcess(_load, suite.threads)
    try:
        compiled = process.call(_compile, problem, seconds=suite.compile_seconds)
        return compiled | {"ms": process.call(_exact_ms, suite, problem, seconds=_STEPS_SECONDS)}
    except multiprocessing.TimeoutError:
        return {"compiled": False}
    finally:
        process.close()


def _load(threads: int) -> None:
    torch.set_num_threads(threads)


_diagram = cache(lambda problem: Diagram(problem_clauses(problem)))


def _compile(problem: str) -> dict[str, Any]:
    started = time.perf_counter()
    size = _diagram(problem).size
    return {"compiled": True, "compile_seconds": round(time.perf_counter() - started, 3), "size": size}


def _exact_ms(suite: Cost, problem: str) -> float:
    cnf = problem_clauses(problem)
    facts = torch.zeros(suite.batch, cnf.num_atoms)
    return _step_ms(suite, cnf, lambda p: semantic_loss(p, facts, _diagram(problem)))
