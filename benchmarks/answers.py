"""Answers are checked: one against its instance, and those of all arms against each other."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.instances.instance_sets import Case
from benchmarks.records import Record, grouped
from benchmarks.statistics import counted
from nnsearch.errors import NNSearchError
from nnsearch.result import SolveResult, Status


class AnswerError(NNSearchError):
    """An arm gave a wrong answer: not a solution, or infeasible where there is a solution."""


def check_answer(case: Case, arm: str, result: SolveResult) -> None:
    """Check an answer without any solver (a CP-SAT model from a file: with one that has nothing left to search).

    Raises:
        AnswerError: the answer is wrong.
    """
    instance = case.instance
    if result.solution is not None:
        if not instance.is_solution(result.solution):
            raise AnswerError(f"{arm}: what it returned for {instance.name} is not a solution")
    elif result.status.solved:
        raise AnswerError(f"{arm}: said {result.status} on {instance.name} without a solution")
    elif result.status is Status.INFEASIBLE and case.satisfiable:
        raise AnswerError(f"{arm}: said INFEASIBLE on {instance.name}, which has a solution")


def wrong_answers(records: Sequence[Record]) -> list[str]:
    """Return a line for each answer that a checker refuses or another run contradicts."""
    alone = [
        f"{r['config']['arm']}: {r['result']['wrong']} on {r['config']['instance']}, seed {r['config']['seed']}, "
        f"{counted(r['config']['workers'], 'worker')}"
        for r in records
        if r["result"]["wrong"] is not None
    ]
    # A solution that is none contradicts no proof.
    return alone + list(disagreements([r for r in records if r["result"]["wrong"] is None]))


def disagreements(records: Sequence[Record]) -> Iterator[str]:
    """Yield a line for each proof that the answer of another run contradicts, or a bound.

    An arm proved an instance infeasible for which another one has a solution, two best objectives differ, or there is a
    solution beyond what was said to be the bound.
    """
    for _, same in grouped(records, lambda record: record["config"]["instance_sha256"]):
        instance = same[0]["config"]["instance"]
        solved = [run for run in same if Status(run["result"]["status"]).solved]
        best = [run for run in solved if run["result"]["status"] == Status.OPTIMAL and _objective(run) is not None]
        for run in best[1:]:
            if not _equal(_objective(run), _objective(best[0])):
                yield (
                    f"{_said(run)} that {_objective(run):g} is the best on {instance}, "
                    f"and {best[0]['config']['arm']} that {_objective(best[0]):g} is"
                )
        for run in same:
            if run["result"]["status"] == Status.INFEASIBLE and solved:
                yield f"{_said(run)} INFEASIBLE on {instance}, for which {solved[0]['config']['arm']} has a solution"
            beyond = next((other for other in solved if _is_beyond(other, run)), None)
            if beyond is not None:
                yield (
                    f"{_said(run)} that nothing is beyond {run['result']['best_objective_bound']:g} on {instance}, "
                    f"and {beyond['config']['arm']} has {_objective(beyond):g}"
                )


def check_agreement(records: Sequence[Record]) -> None:
    """Check that no answer contradicts another.

    Raises:
        AnswerError: two do; see :func:`disagreements`.
    """
    for line in disagreements(records):
        raise AnswerError(line)


def _said(run: Record) -> str:
    return f"{run['config']['arm']}: said"


def _objective(run: Record) -> Any:
    return run["result"].get("objective_value")


def _is_beyond(run: Record, other: Record) -> bool:
    """Tell whether a solution is better than the bound of another run; suites that do not record the sense cannot."""
    bound, maximises = (other["result"].get(name) for name in ("best_objective_bound", "maximises"))
    if bound is None or maximises is None or _equal(bound, _objective(run)):
        return False
    better: bool = _objective(run) > bound if maximises else _objective(run) < bound
    return better


def _equal(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-6)
