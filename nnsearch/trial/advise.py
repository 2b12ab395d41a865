"""Will a learned search help with this model? What can be read, what scorers say, and a short trial."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path

from ortools.sat.python import cp_model

from nnsearch.errors import ConfigError, GraphError, NNSearchError
from nnsearch.highs import is_linear
from nnsearch.model.graph import MAX_VALUES
from nnsearch.model.prepared import PreparedModel
from nnsearch.processors import usable_cpus
from nnsearch.scorers.network import Network
from nnsearch.scorers.onnx import load_scorer
from nnsearch.scorers.scorer import Scorer
from nnsearch.trial.arms import HIGHS, arms_for
from nnsearch.trial.comparison import Trial, TrialComparison
from nnsearch.trial.first_look import FirstLook, first_look

WORTH_IT = 0.85
"""Of the cost of CP-SAT; less than this saved is within the noise of a few runs."""

_FINALISTS = 2

_HOW_TO_HIGHS = (
    "this model is linear: HiGHS is the tool to try first",
    'OR-Tools has it: pywraplp.Solver.CreateSolver("HIGHS"), or mathopt.solve(model, mathopt.SolverType.HIGHS);',
    "a CpModel as it is, with variables, constraints and objective as they are here, goes to it by this line",
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
    seed, in turns, within the same time. The best of many may have been lucky, so the two best ones, where they were
    better than CP-SAT, run against it again, with as many other seeds. One is recommended if it was better with these,
    too, and by 15 % over all seeds, in the geometric mean; HiGHS also if for every seed it had the best objective at
    the end.

    Args:
        model: Any model; it is not changed.
        scorers: Names or paths of networks, ``lp``, or scorers.
        seconds: The time limit of each run.
        seeds: Random seeds of CP-SAT, a run of each arm for each; the two best arms have as many others after that.
        workers: Of each arm; None is as many as this process may use processors.
        on_run: Called before each run with the number of runs done, of all at most, and the name of the arm.

    Raises:
        ConfigError: No seeds, no time, no workers, or two scorers of one name.
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
    if twice := [name for name, times in Counter(one.name for one in loaded).items() if times > 1]:
        raise ConfigError(f"scorers: expected one of each name, got {twice[0]} twice; rename a file")
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
    if not useful and prepared.objective is None:
        return Verdict(_reading(prepared), looks, [], None)
    trial = Trial(arms_for(prepared, useful, workers or usable_cpus(), seconds), seconds, prepared.objective)
    total = (len(trial.arms) + 1 + _FINALISTS) * len(seeds)
    tell = None if on_run is None else lambda done, arm: on_run(done, total, arm)
    trial.run(trial.arms, seeds, tell)
    promising = sorted((one for one in trial.comparisons() if one.ratio < 1 or _is_tool(one)), key=_ratio)[:_FINALISTS]
    if promising:
        trial.run([trial.arms[0], *(one.arm for one in promising)], further_seeds(seeds), tell)
    comparisons, finalists = trial.comparisons(), {one.arm for one in promising}
    better = [
        one
        for one in comparisons
        if one.arm in finalists and ((one.ratio <= WORTH_IT and one.ratio_of_last(len(seeds)) < 1) or _is_tool(one))
    ]
    return Verdict(_reading(prepared), looks, comparisons, min(better, key=_ratio, default=None))


def further_seeds(seeds: Sequence[int]) -> list[int]:
    """Return as many other seeds, with which the best arms of a trial run again."""
    return list(islice((seed for seed in count() if seed not in seeds), len(seeds)))


def _ratio(one: TrialComparison) -> float:
    return one.ratio


def _is_tool(one: TrialComparison) -> bool:
    """Tell whether HiGHS is the tool for a model, even if it is late."""
    return one.arm.name == HIGHS and one.ahead


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
