"""Do the answers of several runs contradict each other?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nnsearch.errors import NNSearchError
from nnsearch.model.objective import Objective
from nnsearch.result import Status
from nnsearch.trial.arms import TrialRun


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
    if len(optima) > 1:
        claims = ", ".join(f"{name} {value:.12g}" for value, name in sorted(optima.items()))
        raise NNSearchError(f"optimal objectives differ: {claims}; please report this with the model")
