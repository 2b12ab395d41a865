"""What the suggestions of a scorer are worth on a roster, asked with and without propagation behind them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from ortools.sat.python import cp_model

import nnsearch.cp
from benchmarks.studies.knowledge_rosters.plans import NewRoster
from nnsearch.cp import InferencePolicy, SearchOptions
from nnsearch.limits import Limits
from nnsearch.model.graph import BoolArray, CandidateGraph
from nnsearch.model.variables import all_variables, fix
from nnsearch.plain_solver import plain_solver
from nnsearch.scorers.scorer import Advice, Scorer

FloatArray = npt.NDArray[np.float32]

DECIDED = (0.0, 0.25, 0.5, 0.75)
"""Shares of who works when that are decided as in the best plan, where the next suggestion is asked for."""

_ASKED = 5  # suggestions of a state, the surest; no more than the best plan has left there

FAILURES, SECONDS = 200, 600.0
"""Limits of a dive; that of failures is meant to count, on a busy machine, too."""

_POLICY = InferencePolicy(10, after_failure=True)
_EFFORT = 20.0  # CP-SAT's deterministic seconds to decide whether a state can be extended; milliseconds are enough


class AtRandom:
    """A scorer that knows nothing: each candidate has a number of chance.

    Args:
        seed: of the numbers.
    """

    name = "random"

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def prepare(self, graph: CandidateGraph, variables: Sequence[int] | None = None) -> _Numbers:
        """Draw the numbers."""
        return _Numbers(np.random.default_rng(self._seed).normal(size=graph.num_candidates).astype(np.float32))


class _Numbers:
    def __init__(self, numbers: FloatArray) -> None:
        self._numbers = numbers

    def advise(self, alive: BoolArray) -> Advice:
        """Return the same in all states."""
        return Advice(np.tile(self._numbers, (len(alive), 1)))


def measure(roster: NewRoster, scorer: Scorer) -> dict[str, Any]:
    """Measure a scorer on a roster.

    Returns:
        ``feasible``: for each share of :data:`DECIDED`, of the surest suggestions of work the share that a plan
        extends, each alone, with what is decided (None where the best plan has no more work); ``prefix``: the share of
        who works when that can be fixed, the surest first, until no plan extends it; ``undecided``: questions of that
        kind without an answer, which count as no; ``failures``, ``solved`` and ``cost`` of a dive (None without a
        plan), processor ``seconds`` of it.
    """
    feasible, undecided = _feasible(roster, scorer)
    prefix, more = _prefix(roster, scorer)
    started = time.process_time()
    result = nnsearch.cp.solve(
        roster.any_plan,
        all_variables(roster.drawn.model),
        scorer,
        SearchOptions(variable_order="most-confident", policy=_POLICY, limits=Limits(SECONDS, FAILURES)),
    )
    return {
        "feasible": feasible,
        "prefix": prefix,
        "undecided": undecided + more,
        "solved": result.solution is not None,
        "failures": result.failures,
        "cost": None if result.solution is None else roster.cost_of(result.solution),
        "seconds": round(time.process_time() - started, 3),
    }


def _feasible(roster: NewRoster, scorer: Scorer) -> tuple[list[float | None], int]:
    graph = roster.model.graph()
    prepared = scorer.prepare(graph)
    rng = np.random.default_rng(int(roster.best.sum()))  # the same states for all arms
    order = rng.permutation(roster.works)
    shares: list[float | None] = []
    undecided = 0
    for share in DECIDED:
        decided = order[: round(share * len(order))]
        assigned = np.isin(np.arange(graph.num_variables), decided)
        alive = graph.propagate(~assigned[graph.variable] | graph.holds(roster.best))
        scores = prepared.advise(alive[None]).scores[0]
        is_open = (graph.count(alive) > 1)[graph.variable] & alive
        work = np.flatnonzero(is_open & np.isin(graph.variable, roster.works) & (graph.values == 1))
        asked = min(_ASKED, int(roster.best[graph.variable[work]].sum()))
        chosen = graph.variable[work[np.argsort(-scores[work], kind="stable")[:asked]]].tolist()
        fixed = {int(variable): int(roster.best[variable]) for variable in decided}
        answers = [extendable(roster.any_plan.model, {**fixed, variable: 1}) for variable in chosen]
        shares.append(sum(answer is True for answer in answers) / len(answers) if answers else None)
        undecided += sum(answer is None for answer in answers)
    return shares, undecided


def _prefix(roster: NewRoster, scorer: Scorer) -> tuple[float, int]:
    graph = roster.model.graph()
    alive = graph.propagate(np.ones(graph.num_candidates, dtype=bool))
    scores = scorer.prepare(graph).advise(alive[None]).scores[0]
    first = graph.offset[roster.works]
    against, for_it = scores[first], scores[first + 1]
    order = np.argsort(-np.maximum(against, for_it), kind="stable")
    decisions = [(int(roster.works[place]), int(for_it[place] > against[place])) for place in order]
    extends, fails, undecided = 0, len(decisions) + 1, 0  # so many can be fixed, so many cannot
    while fails - extends > 1:
        middle = (extends + fails) // 2
        answer = extendable(roster.any_plan.model, dict(decisions[:middle]))
        undecided += answer is None
        if answer:
            extends = middle
        else:
            fails = middle
    return extends / len(decisions), undecided


def extendable(model: cp_model.CpModel, fixed: Mapping[int, int]) -> bool | None:
    """Tell whether a solution has these values of variables; None where CP-SAT does not know it in time."""
    rest = model.clone()
    for variable, value in fixed.items():
        fix(rest.proto.variables[variable], value)
    solver = plain_solver()
    solver.parameters.num_workers = 1
    solver.parameters.max_deterministic_time = _EFFORT
    status = solver.solve(rest)
    if status == cp_model.UNKNOWN:
        return None
    return status in (cp_model.OPTIMAL, cp_model.FEASIBLE)
