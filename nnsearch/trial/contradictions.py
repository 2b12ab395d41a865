"""Do the answers of several runs contradict each other?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from nnsearch.errors import NNSearchError
from nnsearch.model.objective import Objective
from nnsearch.result import Status
from nnsearch.trial.arms import TrialRun

_ROUNDED = 1e-6  # of an optimum


def refuse_contradictions(runs: Mapping[str, Sequence[TrialRun]], objective: Objective | None) -> None:
    """Refuse runs of one model whose answers cannot all be true.

    Args:
        runs: By the name of the arm.
        objective: The model's.

    Raises:
        NNSearchError: Two proofs, or a proof and a solution, contradict each other.
    """
    answers = {(name, run.status) for name, done in runs.items() for run in done}
    solved = sorted(name for name, status in answers if status.solved)
    refuted = sorted(name for name, status in answers if status is Status.INFEASIBLE)
    if solved and refuted:
        raise NNSearchError(f"{refuted[0]} proved that there is no solution, {solved[0]} found one; please report this")
    optima = {
        round(run.solutions[-1][1], 6): name
        for name, done in runs.items()
        for run in done
        if objective is not None and run.status is Status.OPTIMAL and run.solutions
    }
    if len(optima) > 1 and max(optima) - min(optima) > _slack(optima, objective):
        claims = ", ".join(f"{name} {value:.12g}" for value, name in sorted(optima.items()))
        raise NNSearchError(f"optimal objectives differ: {claims}; please report this with the model")


def _slack(optima: Iterable[float], objective: Objective | None) -> float:
    """Return by how much optima may differ: CP-SAT rounds coefficients that are no whole numbers, HiGHS does not."""
    if objective is None or not objective.floating:
        return 0.0
    return _ROUNDED * max(1.0, *map(abs, optima))
