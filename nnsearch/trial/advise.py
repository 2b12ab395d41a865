"""Will a learned search help with this model? What can be read, what scorers say, and a short trial."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import starmap
from pathlib import Path
from statistics import median

from ortools.sat.python import cp_model

from nnsearch.errors import ConfigError, GraphError, NNSearchError
from nnsearch.highs import is_linear
from nnsearch.model.graph import MAX_VALUES
from nnsearch.model.objective import Objective
from nnsearch.model.prepared import PreparedModel
from nnsearch.processors import usable_cpus
from nnsearch.scorers.network import Network
from nnsearch.scorers.onnx import load_scorer
from nnsearch.scorers.scorer import Scorer
from nnsearch.trial.arms import BASELINE, HIGHS, TrialArm, TrialRun, arms_for
from nnsearch.trial.contradictions import refuse_contradictions
from nnsearch.trial.first_look import FirstLook, first_look
from nnsearch.trial.pairs import paired_costs, rotated

WORTH_IT = 0.85
"""Of the cost of CP-SAT; less than this saved is within the noise of a few runs."""

_HOW_TO_HIGHS = (
    "this model is linear: HiGHS is the tool to try first",
    'OR-Tools has it: pywraplp.Solver.CreateSolver("HIGHS"), or mathopt.solve(model, mathopt.SolverType.HIGHS);',
    "a CpModel as it is, with variables, constraints and objective as they are here, goes to it by this line",
)


@dataclass(frozen=True)
class TrialComparison:
    """What one arm did in a trial.

    Attributes:
        arm: The arm.
        runs: One for each seed.
        ratio: Its cost over CP-SAT's, geometric mean over the seeds: seconds where either of the two has decided the
            model, else the primal integral. 1 for CP-SAT itself.
        always: Whether it was better for every seed.
        ahead: Whether for every seed no arm decided the model, and at the end none had a better objective, and CP-SAT a
            worse one.
    """

    arm: TrialArm
    runs: Sequence[TrialRun]
    ratio: float
    always: bool
    ahead: bool = False

    def __str__(self) -> str:
        decided = sum(run.decided for run in self.runs)
        first = [run.solutions[0][0] for run in self.runs if run.solutions]
        best = [run.solutions[-1][1] for run in self.runs if run.solutions]
        return (
            f"{self.arm.name:22} {self.ratio:7.2f} {decided:4} of {len(self.runs)} "
            f"{median(run.seconds for run in self.runs):9.2f} "
            f"{f'{median(first):.2f}' if first else 'none':>9} {f'{median(best):.12g}' if best else 'none':>14}"
        )


@dataclass(frozen=True)
class Verdict:
    """What is known after a trial.

    Attributes:
        reading: Lines about the model.
        looks: What each scorer could say.
        comparisons: Of all arms, CP-SAT first; empty when no scorer has anything to say, and no trial was made.
        choice: The arm to use; None is to stay with CP-SAT as it comes.
    """

    reading: Sequence[str]
    looks: Sequence[FirstLook]
    comparisons: Sequence[TrialComparison]
    choice: TrialComparison | None

    @property
    def code(self) -> str | None:
        """The line of Python to use; None is to stay with CP-SAT as it comes."""
        return None if self.choice is None else self.choice.arm.code

    def __str__(self) -> str:
        lines = [*self.reading, *(f"{look.name}: {look.says}" for look in self.looks)]
        if self.comparisons:
            lines += ["", f"{'':22} {'ratio':>7} {'decided':>9} {'seconds':>9} {'first':>9} {'objective':>14}"]
            lines += [str(one) for one in self.comparisons]
        why = "nothing was clearly better" if self.comparisons else "no scorer has anything to say about this model"
        lines += ["", *_HOW_TO_HIGHS] if self.choice is not None and self.choice.arm.name == HIGHS else [""]
        lines.append(f"stay with CP-SAT: {why}" if self.choice is None else f"use: {self.code}")
        return "\n".join(lines)


def advise(
    model: cp_model.CpModel | PreparedModel,
    scorers: Sequence[str | Path | Scorer] = ("bp", "universal", "lp"),
    *,
    seconds: float = 5.0,
    seeds: Sequence[int] = (1, 2, 3),
    workers: int | None = None,
    on_run: Callable[[int, int, str], None] | None = None,
) -> Verdict:
    """Say whether a learned search helps with a model, and how to use it: the longest trial takes some minutes.

    Every arm (CP-SAT with its defaults, with linearization level 2 where there is an objective, HiGHS where the model
    is linear, the drop-in solver and dives with each scorer that has something to say) solves the model once for each
    seed, in turns, within the same time. Another arm than CP-SAT is recommended if it was better for every seed and by
    15 % in the geometric mean; HiGHS also if for every seed it had the best objective at the end.

    Args:
        model: Any model; it is not changed.
        scorers: Names or paths of networks, ``lp``, or scorers.
        seconds: The time limit of each run.
        seeds: Random seeds of CP-SAT, a run of each arm for each.
        workers: Of each arm; None is as many as this process may use processors.
        on_run: Called before each run with the number of runs done, of all, and the name of the arm.

    Raises:
        ConfigError: No seeds, no time, or no workers.
        ModelFileError: There is no such network.
        NNSearchError: CP-SAT refuses the model, or two proofs contradict each other.

    Examples:
        >>> from ortools.sat.python import cp_model
        >>> model = cp_model.CpModel()
        >>> x = [model.new_int_var(0, 3, f"x{i}") for i in range(4)]
        >>> constraint = model.add_all_different(x)
        >>> verdict = nnsearch.advise(model, ["bp"], seconds=1, seeds=[1], workers=1)
        >>> print(verdict.code)  # such an easy model is CP-SAT's
        None
    """
    if not 0 < seconds < math.inf:
        raise ConfigError(f"seconds: expected above 0, and a number, got {seconds}")
    if not seeds:
        raise ConfigError("seeds: expected one or more, got none")
    if workers is not None and workers < 1:
        raise ConfigError(f"workers: expected 1 or more, got {workers}")
    loaded = [load_scorer(scorer) for scorer in scorers]
    prepared = PreparedModel.of(model)
    if prepared.refusal:
        raise NNSearchError(f"CP-SAT refuses the model: {prepared.refusal}")
    looks, useful = [], list[Network]()
    for scorer in loaded:
        try:
            look = first_look(prepared, scorer)
        except GraphError as error:
            look = FirstLook(scorer.name, str(error), False)
        looks.append(look)
        useful += [scorer] if look.usable else []
    comparisons: list[TrialComparison] = []
    if useful or prepared.objective is not None:
        arms = arms_for(prepared, useful, workers or usable_cpus(), seconds)
        comparisons = _tried(arms, seeds, seconds, prepared.objective, on_run)
    better = [
        one for one in comparisons if (one.always and one.ratio <= WORTH_IT) or (one.arm.name == HIGHS and one.ahead)
    ]
    return Verdict(_reading(prepared), looks, comparisons, min(better, key=lambda one: one.ratio, default=None))


def _reading(model: PreparedModel) -> list[str]:
    widths = [
        sum(high - low + 1 for low, high in zip(domain[::2], domain[1::2], strict=True)) for domain in model.domains
    ]
    two, many = sum(width == 2 for width in widths), sum(width > MAX_VALUES for width in widths)
    lines = [f"{len(widths)} variables: {two} with two values, {many} with more than {MAX_VALUES}"]
    kinds = Counter(constraint.WhichOneof("constraint") or "empty" for constraint in model.proto.constraints)
    named = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    lines.append(f"{len(model.proto.constraints)} constraints{': ' if named else ''}{named}")
    objective = model.objective
    lines.append("no objective" if objective is None else f"an objective of {len(objective.variables)} variables")
    if is_linear(model):
        lines.append("all of it is linear: HiGHS, a MIP solver, takes part in the trial")
    try:
        lines.append(f"for networks: {model.graph().report}")
    except GraphError as error:
        lines.append(f"for networks: nothing ({error})")
    return lines


def _tried(
    arms: Sequence[TrialArm],
    seeds: Sequence[int],
    seconds: float,
    objective: Objective | None,
    on_run: Callable[[int, int, str], None] | None,
) -> list[TrialComparison]:
    runs: dict[str, list[TrialRun]] = {arm.name: [] for arm in arms}
    total = len(arms) * len(seeds)
    for turn, seed in enumerate(seeds):
        for arm in rotated(arms, turn):
            if on_run is not None:
                on_run(sum(map(len, runs.values())), total, arm.name)
            runs[arm.name].append(arm.run(seed))
    refuse_contradictions(runs, objective)
    values = [value for done in runs.values() for run in done for _, value in run.solutions]
    best = None if objective is None else (max if objective.maximises else min)(values, default=0.0)

    def log_ratio(mine: TrialRun, theirs: TrialRun) -> float:
        cost, other, slack = paired_costs(mine, theirs, best, seconds)
        return math.log((cost + slack) / (other + slack))

    def is_ahead(turn: int, mine: TrialRun) -> bool:
        same_turn = [done[turn] for done in runs.values()]
        if objective is None or not mine.solutions or any(run.decided for run in same_turn):
            return False
        ends = [run.solutions[-1][1] for run in same_turn if run.solutions]
        if any(objective.better(end, mine.solutions[-1][1]) for end in ends):
            return False
        theirs = runs[BASELINE][turn].solutions
        return not theirs or objective.better(mine.solutions[-1][1], theirs[-1][1])

    compared = []
    for arm in arms:
        ratios = [log_ratio(mine, theirs) for mine, theirs in zip(runs[arm.name], runs[BASELINE], strict=True)]
        mean = math.exp(sum(ratios) / len(ratios))
        always, ahead = all(ratio < 0 for ratio in ratios), all(starmap(is_ahead, enumerate(runs[arm.name])))
        compared.append(TrialComparison(arm, runs[arm.name], mean, always, ahead))
    return compared
