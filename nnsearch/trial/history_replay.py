"""What is history worth, or a line-up of subsolvers beside it? Past instances are solved again, with it and without.

Each of them is given the past that it had.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from nnsearch.cpsat.solver import CpSolver
from nnsearch.errors import ConfigError, HistoryError
from nnsearch.history.line_up import LineUp, best_line_up
from nnsearch.history.recording import model_of
from nnsearch.history.store import Sketch, Store
from nnsearch.model.objective import Objective, is_constant, read_objective
from nnsearch.plain_solver import plain_solver
from nnsearch.processors import usable_cpus
from nnsearch.trial.arms import BASELINE, TrialRun, run_of
from nnsearch.trial.contradictions import refuse_contradictions
from nnsearch.trial.pairs import paired_costs, rotated
from nnsearch.trial.scout import scout

_HISTORY, _LINE_UP = "history", "the line-up"
_EARLIER = 20  # solves that an instance is given: enough for a near one, and quick to copy
_FAMILY = "replay"  # in the copies: the models may have other names than their family
_MUCH = 0.85  # of the cost; less than this saved is within the noise of a few runs
_FEW = 5  # instances of which fewer prove nothing


@dataclass(frozen=True)
class Replay:
    """A past instance, solved again with one seed, with what is in question (history, or a line-up) and without.

    Attributes:
        number: The past solve's.
        ended: When that ended, in seconds since 1970.
        repeated: Whether the same model, to the last byte, had been solved before.
        optimises: Whether it has an objective.
        seed: Of CP-SAT.
        tried: What the solver did with it.
        without: What it did without; without history that is CP-SAT.
        ratio: What the first run cost over what the other one did: seconds where either has decided the model,
            else the primal integral.
        better: 1 where the last objective was better with it, -1 where it was worse, 0 where it was equal or there
            is none to compare; a solution is better than none.
    """

    number: int
    ended: float
    repeated: bool
    optimises: bool
    seed: int
    tried: TrialRun
    without: TrialRun
    ratio: float
    better: int


@dataclass(frozen=True)
class HistoryWorth:
    """What replays say together.

    Attributes:
        replays: One or more.
        what: What was tried.
    """

    replays: Sequence[Replay]
    what: str = _HISTORY

    @property
    def instances(self) -> int:
        """How many past instances there are, each with one or more seeds."""
        return len({one.number for one in self.replays})

    @property
    def ratio(self) -> float:
        """The geometric mean of the ratios."""
        return math.exp(sum(math.log(one.ratio) for one in self.replays) / len(self.replays))

    def count(self, better: int) -> int:
        """Count the replays whose last objective was better (1), equal (0) or worse (-1) with what was tried."""
        return sum(one.better == better for one in self.replays)

    @property
    def sign(self) -> int:
        """1 if it is worth it, -1 if it costs more than it gives, 0 if neither is clear, or both are."""
        return self._clearly(1) - self._clearly(-1)

    @property
    def proves(self) -> bool:
        """Whether it is worth it, in instances enough to go by."""
        return self.sign > 0 and self.instances >= _FEW

    def _clearly(self, sign: int) -> bool:
        """Tell whether a side is clearly ahead, what was tried (1) or the other one (-1).

        It costs 15 % less in the mean, and less in most replays; or it has the better last objective in most, and the
        worse one in none.
        """
        half = len(self.replays) / 2
        cheaper = sum(one.ratio**sign < 1 for one in self.replays)
        if cheaper > half and self.ratio**sign <= _MUCH:
            return True
        return self.count(sign) > half and not self.count(-sign)

    def __str__(self) -> str:
        runs, instances = len(self.replays), self.instances
        of = f"{instances} instance{'s' * (instances > 1)}"
        if runs > instances:
            of += f" and {runs} pairs of runs"
        measured = (
            f"of {of}: geometric mean of the ratios {self.ratio:.2f}; last objective better with {self.what} in "
            f"{self.count(1)}, equal in {self.count(0)}, worse in {self.count(-1)}"
        )
        repeated = len({one.number for one in self.replays if one.repeated})
        if repeated:
            measured += f"; {repeated} had been solved before just as they are"
        verdict = {
            1: f"{self.what} is worth it here",
            0: f"{self.what} gives nothing here",
            -1: f"{self.what} costs more than it gives here",
        }[self.sign]
        if self.sign and self.ratio**self.sign <= _MUCH:
            verdict += f": a solve costs {self.ratio:.2f} of what it costs without"
        elif self.sign:
            verdict += f": last objectives are {'better' if self.sign > 0 else 'worse'}"
        if instances < _FEW:
            verdict += f", as far as {of} can tell"
        return f"{measured}\n{verdict}"


def replay_history(
    store: Store,
    family: str | None = None,
    *,
    last: int = 5,
    seconds: float = 10.0,
    workers: int | None = None,
    seeds: Sequence[int] = (1,),
    line_up: Sequence[str] = (),
    on_run: Callable[[int, int, str], None] | None = None,
) -> Iterator[Replay]:
    """Solve past instances of a family again, with history and without: the latest first, each as soon as it is asked.

    With a line-up, both have history, and one of them the line-up, too.

    An instance that had a solution is solved by CP-SAT, and by the drop-in solver without a scorer, with a temporary
    history that holds the 20 latest of the solves before it. Time limit, workers and seed are the same; the two take
    turns in who comes first. Each run has a new copy of the temporary history.

    Args:
        store: The past solves; it is read only.
        family: Whose; None is that which was solved last.
        last: How many instances at most.
        seconds: The time limit of each run.
        workers: Of each run; None is as many as this process may use processors.
        seeds: Random seeds of CP-SAT, a pair of runs of each instance for each.
        line_up: Subsolvers that are to be tried.
        on_run: Called before each run with the number of runs done, of all, and what comes now.

    Raises:
        ConfigError: A number is out of range.
        HistoryError: There is no such family, it has fewer than two solves with a solution, or it cannot be read.
        NNSearchError: CP-SAT refuses a model, or two proofs contradict each other.
    """
    if not 0 < seconds < math.inf:
        raise ConfigError(f"seconds: expected above 0, and a number, got {seconds}")
    if not seeds or min(seeds) < 0 or max(seeds) >= 2**31:
        raise ConfigError(
            f"seeds: expected one or more from 0 to 2147483647, got {' '.join(map(str, seeds)) or 'none'}"
        )
    for name, number in (("last", last), ("workers", workers)):
        if number is not None and number < 1:
            raise ConfigError(f"{name}: expected 1 or more, got {number}")
    past = _solved(store, family_of(store, family), last + _EARLIER)
    return _replays(store, past, min(last, len(past) - 1), seconds, workers or usable_cpus(), seeds, line_up, on_run)


def find_line_up(
    store: Store,
    family: str | None = None,
    *,
    last: int = 5,
    seconds: float = 10.0,
    workers: int | None = None,
    on_run: Callable[[int, int, str], None] | None = None,
) -> tuple[str, ...]:
    """Return the full subsolvers that brought most improvements in a family, in the store's solves and in one more.

    That one has many subsolvers, for those of the store may have had few. It is of the instance before those that
    :func:`replay_history` solves with the same arguments.

    Raises:
        ConfigError: There is a choice for two workers or more only.
        HistoryError: As in :func:`replay_history`, or no full subsolver found a solution.
    """
    workers = workers or usable_cpus()
    if workers < 2:
        raise ConfigError(f"workers: expected 2 or more for a line-up, got {workers}")
    family = family_of(store, family)
    past = _solved(store, family, last + 1)
    if on_run is not None:
        on_run(0, 1, f"number {past[-1].number}, many subsolvers")
    found = scout(model_of(store.model(past[-1].number), store.name), seconds)
    chosen = best_line_up([found, *store.improvements(family)], workers)
    if not chosen:
        raise HistoryError(
            f"{store.name}: expected improvements by full subsolvers in the family {family!r}, got none; "
            "solve it with more seconds"
        )
    return chosen


def keep_line_up(
    store: Store, family: str | None, line_up: Sequence[str], worth: HistoryWorth, workers: int | None
) -> LineUp:
    """Keep in the store what replays say of a line-up; ``CpSolver(line_up=True)`` uses one that they prove."""
    kept = LineUp(tuple(line_up), workers or usable_cpus(), worth.proves, str(worth))
    store.keep_line_up(family_of(store, family), kept)
    return kept


def _solved(store: Store, family: str, count: int) -> list[Sketch]:
    past = store.sketches(family, count)
    if len(past) < 2:
        raise HistoryError(
            f"{store.name}: expected two or more solves with a solution in the family {family!r}, got {len(past)}; "
            "solve more with CpSolver(history=...) or add some with nnsearch history add"
        )
    return past


def family_of(store: Store, family: str | None) -> str:
    """Return a family that the store has; None is that which was solved last.

    Raises:
        HistoryError: There is none.
    """
    families = store.families()
    if not families:
        raise HistoryError(
            f"{store.name}: expected past solves, got none; "
            "solve with CpSolver(history=...) or add some with nnsearch history add"
        )
    if family is None:
        return max(families, key=lambda one: one.last).family
    names = [one.family for one in families]
    if family not in names:
        raise HistoryError(
            f"{store.name}: expected a family of the history, got {family!r}; there are {', '.join(map(repr, names))}"
        )
    return family


def _replays(
    store: Store,
    past: Sequence[Sketch],
    count: int,
    seconds: float,
    workers: int,
    seeds: Sequence[int],
    line_up: Sequence[str],
    on_run: Callable[[int, int, str], None] | None,
) -> Iterator[Replay]:
    done, total = 0, 2 * count * len(seeds)
    other, tried = (_HISTORY, _LINE_UP) if line_up else (BASELINE, _HISTORY)
    for place, instance in enumerate(past[:count]):
        solve, content = store.load(instance.number), store.model(instance.number)
        model = model_of(content, store.name)
        objective = None if is_constant(model.proto) else read_objective(model.proto)
        with TemporaryDirectory(prefix="nnsearch-replay-") as folder:
            earlier = Path(folder, "earlier.db")
            repeated = _copy(store, past[place + 1 : place + 1 + _EARLIER], earlier, content)
            for turn, seed in enumerate(seeds, place):
                runs: dict[str, TrialRun] = {}
                for arm in rotated((other, tried), turn):
                    if on_run is not None:
                        on_run(done, total, f"number {instance.number}, {arm}")
                    if arm == BASELINE:
                        runs[arm] = run_of(plain_solver(), model, seed, workers, seconds)
                    else:
                        copy = shutil.copyfile(earlier, Path(folder, f"{seed}, {arm}.db"))
                        solver = CpSolver(None, history=copy, family=_FAMILY)
                        if arm == _LINE_UP:
                            solver.parameters.subsolvers.extend(line_up)
                        runs[arm] = run_of(solver, model, seed, workers, seconds)
                    done += 1
                refuse_contradictions({arm: [run] for arm, run in runs.items()}, objective)
                mine, theirs = runs[tried], runs[other]
                ratio = _ratio(mine, theirs, objective, solve.objective, seconds)
                better = _better(mine, theirs, objective)
                optimises = objective is not None
                yield Replay(instance.number, instance.created, repeated, optimises, seed, mine, theirs, ratio, better)


def _copy(store: Store, solves: Sequence[Sketch], path: Path, model: bytes) -> bool:
    """Make a store of some solves, given the latest first; return whether one of them has this model."""
    repeated = False
    with Store(path) as copy:
        for one in reversed(solves):
            content = store.model(one.number)
            repeated = repeated or content == model
            copy.record(replace(store.load(one.number), family=_FAMILY), content, one.sketch)
    return repeated


def _ratio(mine: TrialRun, theirs: TrialRun, objective: Objective | None, past: float | None, limit: float) -> float:
    best = None
    if objective is not None:
        known = [value for run in (mine, theirs) for _, value in run.solutions]
        known += [] if past is None else [past]
        best = (max if objective.maximises else min)(known, default=0.0)
    cost, other, slack = paired_costs(mine, theirs, best, limit)
    return (cost + slack) / (other + slack)


def _better(mine: TrialRun, theirs: TrialRun, objective: Objective | None) -> int:
    if objective is None or not mine.solutions or not theirs.solutions:
        return bool(mine.solutions) - bool(theirs.solutions)
    one, other = mine.solutions[-1][1], theirs.solutions[-1][1]
    return objective.better(one, other) - objective.better(other, one)
