"""Runs of several arms on one model, in turns, and how each compares with CP-SAT."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import starmap
from statistics import geometric_mean, median

from nnsearch.model.objective import Objective
from nnsearch.trial.arms import BASELINE, TrialArm, TrialRun
from nnsearch.trial.contradictions import refuse_contradictions
from nnsearch.trial.pairs import paired_costs, rotated


@dataclass(frozen=True)
class TrialComparison:
    """What one arm did in a trial.

    Attributes:
        arm: The arm.
        runs: One for each seed.
        ratios: Its cost over CP-SAT's for each seed: seconds where either of the two has decided the model, else the
            primal integral. 1 for CP-SAT itself.
        ahead: Whether for every seed no arm decided the model, and at the end none had a better objective, and CP-SAT a
            worse one.
    """

    arm: TrialArm
    runs: Sequence[TrialRun]
    ratios: Sequence[float]
    ahead: bool = False

    @property
    def ratio(self) -> float:
        """The geometric mean of the ratios."""
        return geometric_mean(self.ratios)

    def ratio_of_last(self, seeds: int) -> float:
        """Return the geometric mean of the ratios of the last seeds."""
        return geometric_mean(self.ratios[-seeds:])

    def __str__(self) -> str:
        decided = sum(run.decided for run in self.runs)
        first = [run.solutions[0][0] for run in self.runs if run.solutions]
        best = [run.solutions[-1][1] for run in self.runs if run.solutions]
        return (
            f"{self.arm.name:22} {self.ratio:7.2f} {decided:4} of {len(self.runs)} "
            f"{median(run.seconds for run in self.runs):9.2f} "
            f"{f'{median(first):.2f}' if first else 'none':>9} {f'{median(best):.12g}' if best else 'none':>14}"
        )


class Trial:
    """Runs of several arms on one model.

    Args:
        arms: CP-SAT as it comes first; it takes part in all runs.
        seconds: The time limit of each run.
        objective: The model's, None if it has none.
    """

    def __init__(self, arms: Sequence[TrialArm], seconds: float, objective: Objective | None) -> None:
        self.arms = arms
        self._seconds, self._objective = seconds, objective
        self._runs: dict[str, list[TrialRun]] = {arm.name: [] for arm in arms}

    def run(
        self, arms: Sequence[TrialArm], seeds: Iterable[int], on_run: Callable[[int, str], None] | None = None
    ) -> None:
        """Let arms solve the model once for each seed, in turns.

        Args:
            arms: Some of the trial's, CP-SAT among them.
            seeds: Of CP-SAT.
            on_run: Called before each run with the number of runs done and the name of the arm.

        Raises:
            NNSearchError: CP-SAT refuses the model, or two proofs contradict each other.
        """
        for turn, seed in enumerate(seeds):
            for arm in rotated(arms, turn):
                if on_run is not None:
                    on_run(sum(map(len, self._runs.values())), arm.name)
                self._runs[arm.name].append(arm.run(seed))
        refuse_contradictions(self._runs, self._objective)

    def comparisons(self) -> list[TrialComparison]:
        """Return what each arm did, in the order of the arms."""
        values = [value for done in self._runs.values() for run in done for _, value in run.solutions]
        best = None
        if self._objective is not None:
            best = (max if self._objective.maximises else min)(values, default=0.0)

        def ratio(mine: TrialRun, theirs: TrialRun) -> float:
            cost, other, slack = paired_costs(mine, theirs, best, self._seconds)
            return (cost + slack) / (other + slack)

        compared = []
        for arm in self.arms:
            runs = self._runs[arm.name]
            ratios = [ratio(mine, theirs) for mine, theirs in zip(runs, self._runs[BASELINE], strict=False)]
            compared.append(TrialComparison(arm, runs, ratios, all(starmap(self._is_ahead, enumerate(runs)))))
        return compared

    def _is_ahead(self, turn: int, mine: TrialRun) -> bool:
        same_turn = [done[turn] for done in self._runs.values() if turn < len(done)]
        if self._objective is None or not mine.solutions or any(run.decided for run in same_turn):
            return False
        ends = [run.solutions[-1][1] for run in same_turn if run.solutions]
        if any(self._objective.better(end, mine.solutions[-1][1]) for end in ends):
            return False
        theirs = self._runs[BASELINE][turn].solutions
        return not theirs or self._objective.better(mine.solutions[-1][1], theirs[-1][1])
