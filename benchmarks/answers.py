"""Answers are checked: one against its instance, and those of all arms against each other."""

from __future__ import annotations

import math
from collections.abc import Sequence

from benchmarks.instances.instance_sets import Case
from benchmarks.records import Record
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


def check_agreement(records: Sequence[Record]) -> None:
    """Check that no arm proved an instance infeasible for which another one has a solution, and that best is best.

    Raises:
        AnswerError: two arms disagree.
    """
    best: dict[str, Record] = {}
    for record in records:
        objective = record["result"].get("objective_value")
        if record["result"]["status"] == Status.OPTIMAL and objective is not None:
            first = best.setdefault(record["config"]["instance_sha256"], record)
            if not math.isclose(first["result"]["objective_value"], objective, rel_tol=1e-6, abs_tol=1e-6):
                raise AnswerError(
                    f"{record['config']['arm']}: said that {objective:g} is the best on "
                    f"{record['config']['instance']}, "
                    f"and {first['config']['arm']} that {first['result']['objective_value']:g} is"
                )
    for infeasible in records:
        if infeasible["result"]["status"] == Status.INFEASIBLE:
            for other in records:
                same = other["config"]["instance_sha256"] == infeasible["config"]["instance_sha256"]
                if same and Status(other["result"]["status"]).solved:
                    raise AnswerError(
                        f"{infeasible['config']['arm']}: said INFEASIBLE on {infeasible['config']['instance']}, "
                        f"for which {other['config']['arm']} has a solution"
                    )
