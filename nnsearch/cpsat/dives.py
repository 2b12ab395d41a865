"""Dives: the network decides the beginning, CP-SAT the rest.

A depth-first search follows the network until its first failure. Its decisions are in the order of confidence, so a
beginning of them, a prefix, is right more often than the whole. CP-SAT gets the prefix as fixed and solves what is
left under a limit. A prefix that is refuted is shortened; one whose rest is too hard is given up, and the next dive
adds noise to the scores. Large neighbourhood search (Shaw 1998) fixes part of a solution in the same way.
"""

from __future__ import annotations

import math
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ortools.constraint_solver import pywrapcp
from ortools.sat.python import cp_model
from ortools.sat.python import cp_model_helper as cmh

from nnsearch.cp.policy import InferencePolicy
from nnsearch.cp.sampling import Sampling
from nnsearch.cp.search_options import SearchOptions
from nnsearch.cp.translate import Translation, translate
from nnsearch.cp.value_phase import ValuePhase
from nnsearch.cpsat.hinted import hinted
from nnsearch.cpsat.parameters import cp_sat_parameters
from nnsearch.cpsat.run import CpSatRun
from nnsearch.errors import ConfigError
from nnsearch.interrupt import DeferredInterrupt
from nnsearch.limits import STOP, Limits
from nnsearch.model.objective import read_objective
from nnsearch.model.prepared import PreparedModel
from nnsearch.model.refusal import check_accepted
from nnsearch.model.stopping import ReadingStoppedError
from nnsearch.model.variables import fix
from nnsearch.result import InferenceCount, SolveResult, Status
from nnsearch.scorers.network import Network
from nnsearch.scorers.onnx import load_scorer
from nnsearch.scorers.scorer import Scorer

_SOLVED = (cp_model.OPTIMAL, cp_model.FEASIBLE)

Decisions = list[tuple[int, int]]
"""(index of the variable, value), the first first."""


@dataclass(frozen=True)
class Dives:
    """How far to trust the network.

    Args:
        prefix: share of a dive's decisions that is fixed first, up to 1.
        shorten: a refuted prefix is cut to this share; between 0 and 1.
        seconds: limit of CP-SAT for the rest of the first dive.
        growth: every dive gives CP-SAT this many times the seconds of the one before; above 1, so the search is
            complete: in the end CP-SAT has the time to solve the model without a prefix.
        temperature: of the Gumbel noise on the scores from the second dive on; the scores of networks are log-odds.
        seed: of the noise and of CP-SAT, which takes up to 2147483647.

    Raises:
        ConfigError: a number is out of range.
    """

    prefix: float = 0.9
    shorten: float = 0.8
    seconds: float = 0.3
    growth: float = 1.3
    temperature: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        for name, low, high in (("prefix", 0, 1), ("shorten", 0, 1 - 1e-9)):
            if not low < getattr(self, name) <= high:
                raise ConfigError(f"Dives.{name}: expected a share between 0 and 1, got {getattr(self, name)}")
        if not self.seconds > 0:
            raise ConfigError(f"Dives.seconds: expected above 0, got {self.seconds}")
        if not self.growth > 1:
            raise ConfigError(f"Dives.growth: expected above 1, or the search may never end, got {self.growth}")
        Sampling(self.seed, self.temperature)  # the same ranges
        if self.seed >= 2**31:
            raise ConfigError(f"Dives.seed: expected 0 to 2147483647, got {self.seed}")


@dataclass(frozen=True)
class Dived:
    """One step of a search by dives, for those who watch.

    Attributes:
        dive: number of the dive, from 0.
        decisions: of the dive until its first failure.
        prefix: how many of them were fixed.
        status: what CP-SAT said of the rest.
        seconds: what it took.
    """

    dive: int
    decisions: int
    prefix: int
    status: Status
    seconds: float


def solve_by_dives(
    model: cp_model.CpModel | PreparedModel,
    scorers: Sequence[str | Path | Scorer],
    *,
    dives: Dives | None = None,
    policy: InferencePolicy | None = None,
    limits: Limits | None = None,
    workers: int = 1,
    stop: Callable[[], bool] | None = None,
    on_solution: Callable[[list[int], float | None], None] | None = None,
    on_dive: Callable[[Dived], None] | None = None,
) -> SolveResult:
    """Find a solution, or improve one until it is proved the best.

    Complete: infeasibility and optimality are proved when a prefix of no decisions is refuted, and only then.

    Args:
        model: the model; it is not changed. One that is prepared is not read again.
        scorers: names or paths of networks, or scorers; they take turns, a dive each.
        dives: how far to trust them.
        policy: when a network is asked during a dive; see :class:`nnsearch.cp.ValuePhase`.
        limits: when to give up; the time to read the model counts, that to load networks not. Failures of the CP engine
            and conflicts of CP-SAT count together.
        workers: of CP-SAT.
        stop: asked often, while the model is read, too; true ends the search.
        on_solution: called with the values of all variables and the objective of every solution; better than the one
            before when the model has an objective.
        on_dive: called after every step.

    Returns:
        The result; failures and branches are the sums over both engines.

    Raises:
        TranslationError: the model has something that the CP engine cannot be given.
        ModelFileError: a network does not fit.
        GraphError: a network reads graphs, and the model has nothing that one could hold.
        ConfigError: no workers, or no scorers.
        NNSearchError: CP-SAT refuses the model.
        KeyboardInterrupt: Ctrl-C, within a second.
    """
    if workers < 1:
        raise ConfigError(f"num_workers: expected 1 or more workers, got {workers}")
    if isinstance(scorers, str) or not isinstance(scorers, Sequence):
        got = type(scorers).__name__
        raise ConfigError(f"scorers: expected a list of networks or scorers, got {got}; put a single one into a list")
    if not scorers:
        raise ConfigError("scorers: expected one or more networks, got none")
    loaded = [load_scorer(scorer) for scorer in scorers]
    with DeferredInterrupt() as interrupted:
        search = _Search(model, loaded, dives or Dives(), limits or Limits(), workers)
        result = search.run(policy, lambda: interrupted() or (stop is not None and stop()), on_solution, on_dive)
        if interrupted():
            raise KeyboardInterrupt
    return result


class _Search:
    def __init__(
        self,
        model: cp_model.CpModel | PreparedModel,
        scorers: list[Network],
        dives: Dives,
        limits: Limits,
        workers: int,
    ) -> None:
        self._started = time.perf_counter()
        self._given = model
        self._model = model.model if isinstance(model, PreparedModel) else model
        self._dives, self._limits, self._workers = dives, limits, workers
        self._scorers = scorers
        self._diver: _Diver | None = None  # none before the model is read
        self._name = "+".join(scorer.name for scorer in scorers)
        self._branches = self._conflicts = 0
        self._solution: list[int] | None = None
        self._objective: float | None = None
        self._rest = self._model  # with the bound that the best solution gives

    def run(
        self,
        policy: InferencePolicy | None,
        stop: Callable[[], bool],
        on_solution: Callable[[list[int], float | None], None] | None,
        on_dive: Callable[[Dived], None] | None,
    ) -> SolveResult:
        def ends() -> bool:
            return stop() or self._is_over()

        before = STOP.set(ends)
        try:
            return self._run(policy, ends, on_solution, on_dive)
        finally:
            STOP.reset(before)

    def _run(
        self,
        policy: InferencePolicy | None,
        ends: Callable[[], bool],
        on_solution: Callable[[list[int], float | None], None] | None,
        on_dive: Callable[[Dived], None] | None,
    ) -> SolveResult:
        try:
            self._diver = diver = _Diver(self._given, self._scorers, policy, self._dives, ends)
        except ReadingStoppedError:
            return self._result(Status.UNKNOWN)
        for number, seconds in self._budgets():
            if ends():
                break
            decisions, complete = diver.dive(number, ends)
            length = len(decisions) if complete else math.floor(self._dives.prefix * len(decisions))
            while not ends():
                begun = time.perf_counter()
                response = self._solve_rest(decisions[:length], seconds, ends)
                status = Status(response.status.name)
                if on_dive is not None:
                    on_dive(Dived(number, len(decisions), length, status, time.perf_counter() - begun))
                if response.status in _SOLVED:
                    self._keep(response, on_solution)
                    if not self._model.has_objective():
                        return self._result(Status.OPTIMAL)
                    if status is Status.OPTIMAL and length == 0:
                        return self._result(Status.OPTIMAL)
                    break
                if status is not Status.INFEASIBLE:
                    break
                if length == 0:
                    return self._result(Status.INFEASIBLE if self._solution is None else Status.OPTIMAL)
                length = math.floor(self._dives.shorten * length)
        return self._result(Status.UNKNOWN if self._solution is None else Status.FEASIBLE)

    def _budgets(self) -> Iterator[tuple[int, float]]:
        number, seconds = 0, self._dives.seconds
        while True:
            yield number, seconds
            number, seconds = number + 1, seconds * self._dives.growth

    def _is_over(self) -> bool:
        return self._seconds_left() <= 0 or self._failures_left() <= 0

    def _seconds_left(self) -> float:
        limit = math.inf if self._limits.seconds is None else self._limits.seconds
        return limit - (time.perf_counter() - self._started)

    def _failures_left(self) -> float:
        limit = math.inf if self._limits.failures is None else self._limits.failures
        return limit - self._failures()

    def _failures(self) -> int:
        return self._conflicts + (0 if self._diver is None else self._diver.failures)

    def _solve_rest(self, prefix: Decisions, seconds: float, ends: Callable[[], bool]) -> cmh.CpSolverResponse:
        """Let CP-SAT solve the model with the prefix fixed."""
        rest = self._rest.clone()
        for variable, value in prefix:
            fix(rest.proto.variables[variable], value)
        limits = Limits(
            max(min(seconds, self._seconds_left()), 0.0),
            None if self._limits.failures is None else max(math.ceil(self._failures_left()), 0),
        )
        run = CpSatRun(rest, cp_sat_parameters(limits, self._dives.seed, self._workers))
        run.wait(ends)
        response = run.response()
        check_accepted(response.status, rest)
        self._branches += response.num_branches
        self._conflicts += response.num_conflicts
        return response

    def _keep(
        self, response: cmh.CpSolverResponse, on_solution: Callable[[list[int], float | None], None] | None
    ) -> None:
        """Take a solution as the best, and ask for better ones from now on."""
        self._solution = list(response.solution)
        objective = read_objective(self._model.proto)
        if objective is not None:
            self._objective = objective.exact(response.objective_value)
            self._rest = hinted(self._model, self._solution)
            bound = self._rest.proto.constraints.add().linear
            bound.vars.extend(objective.variables)
            bound.coeffs.extend(objective.coefficients)
            bound.domain.extend([-(2**62), objective.of(self._solution) - 1])
        if on_solution is not None:
            on_solution(self._solution, self._objective)

    def _result(self, status: Status) -> SolveResult:
        inference, branches = InferenceCount(), self._branches
        if self._diver is not None:
            inference, branches = self._diver.inference, branches + self._diver.branches
        return SolveResult(
            status=status,
            solution=self._solution,
            branches=branches,
            failures=self._failures(),
            inference=inference,
            wall_seconds=time.perf_counter() - self._started,
            engine="dives",
            model=self._name,
            objective_value=self._objective,
            best_objective_bound=self._objective if status is Status.OPTIMAL else None,
        )


class _Diver:
    """Dives of all networks, in one CP engine."""

    def __init__(
        self,
        model: cp_model.CpModel | PreparedModel,
        scorers: Sequence[Network],
        policy: InferencePolicy | None,
        dives: Dives,
        stop: Callable[[], bool],
    ) -> None:
        prepared = PreparedModel.of(model, stop=stop)
        self._translation: Translation = translate(prepared, stop=stop)
        self._solver = self._translation.solver
        graph = prepared.graph(stop=stop)
        branch = np.flatnonzero(graph.offset[1:] > graph.offset[:-1]).tolist()
        self._phases = [
            _DivePhase(
                self._solver,
                self._translation.variables,
                scorer,
                SearchOptions("most-confident", policy, sampling),
                graph=graph,
                branch=branch,
            )
            for sampling in (None, Sampling(dives.seed, dives.temperature))
            for scorer in scorers
        ]
        self._turns = len(scorers)
        self.failures = 0

    @property
    def branches(self) -> int:
        return int(self._solver.Branches())

    @property
    def inference(self) -> InferenceCount:
        return sum((phase.inference for phase in self._phases), InferenceCount())

    def dive(self, number: int, ends: Callable[[], bool]) -> tuple[Decisions, bool]:
        """Follow a network until the first failure; return its decisions, and whether none is left to take.

        Args:
            number: of the dive, from 0; the first of every network is without noise.
            ends: ends the dive.
        """
        noisy = number >= self._turns
        phase = self._phases[noisy * self._turns + number % self._turns]
        phase.path = []
        before = self._solver.Failures()
        # The engine keeps its limits, and a strong reference back, or to the caller, would keep the engine for ever.
        engine, asked = weakref.proxy(self._solver), [ends]
        limit = self._solver.CustomLimit(lambda: engine.Failures() > before or asked[0]())
        self._solver.NewSearch(phase, [limit])
        try:
            complete = bool(self._solver.NextSolution())
        finally:
            self._solver.EndSearch()
            asked.clear()
        self.failures += not complete  # leaving the tree makes the engine fail once per level
        return phase.path, complete


class _DivePhase(ValuePhase):
    """A phase that remembers its decisions."""

    path: Decisions

    def decide(self, solver: pywrapcp.Solver, variable: int, value: int) -> pywrapcp.Decision:
        self.path.append((variable, value))
        return super().decide(solver, variable, value)
