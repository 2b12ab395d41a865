"""Study: what rules in the loss are worth on rosters, by how many past plans there are to learn from.

The question of the first paper (Silvestri, Lombardi and Milano 2021: does knowledge in the loss replace examples?) on
models with sums and an objective. A network on the model graph is trained on 10 to 300 rosters with a plan each, with
the same states and steps: without rules, with what the bounds of the rows rule out (SBR), or with the rows through the
straight-through estimator (Yang, Lee and Park 2022). New rosters say what its suggestions are worth: alone, fixed
blindly, and in dives with propagation. Beside it is what needs no training: counting the values of the same past plans,
the linear relaxation, values at random, and CP-SAT itself.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from ortools.sat.python import cp_model

from benchmarks.options import Options
from benchmarks.records import Job
from benchmarks.studies.knowledge_rosters.plans import NewRoster, RosterSize, new_rosters, past_plans
from benchmarks.studies.knowledge_rosters.suggestions import FAILURES, SECONDS, AtRandom, measure
from benchmarks.studies.knowledge_rosters.training import KNOWLEDGE, Budget, first_plans, train
from nnsearch.plain_solver import plain_solver
from nnsearch.scorers.history import CountingScorer
from nnsearch.scorers.lp import LpScorer
from nnsearch.scorers.scorer import Scorer
from training.config import at_least, each, some_of
from training.data.solved_models import model_files, solutions_file

COUNTING, LP, RANDOM, CP_SAT = "counting", "lp", "random", "cp-sat"


@dataclass(frozen=True)
class KnowledgeRostersStudy(Options):
    """What to run.

    Args:
        plans: past plans.
        knowledge: none, sbr, ste.
        seeds: how many sets of past plans, with a training each of every number of them and every knowledge.
        nurses: of each roster.
        days: of each roster.
        instances: new rosters, the same for all.
        steps: of a training.
        edges: of the states of a step.
        relaxed: tell networks what the linear relaxation says; otherwise they know what plans and rules teach.
        sbr: weight of the SBR term.
        ste: weight of the straight-through term.
        runs: folder of the plans and trainings.
    """

    plans: Annotated[tuple[int, ...], each("2 or more", lambda count: count >= 2)] = (10, 30, 100, 300)
    knowledge: Annotated[tuple[str, ...], some_of(*KNOWLEDGE)] = KNOWLEDGE
    seeds: Annotated[int, at_least(1)] = 3
    nurses: Annotated[int, at_least(2)] = 12
    days: Annotated[int, at_least(2)] = 14
    instances: Annotated[int, at_least(1)] = 6
    steps: Annotated[int, at_least(1)] = 300
    edges: Annotated[int, at_least(1)] = 20_000
    relaxed: bool = False
    sbr: Annotated[float, at_least(0)] = 1.0
    ste: Annotated[float, at_least(0)] = 0.1
    runs: Path = Path("runs/study-knowledge-rosters")

    @property
    def size(self) -> RosterSize:
        """Of each roster."""
        return RosterSize(self.nurses, self.days)

    @property
    def budget(self) -> Budget:
        """Of each training."""
        return Budget(self.steps, self.edges, self.relaxed, self.sbr, self.ste)


def jobs(study: KnowledgeRostersStudy) -> list[Job]:
    """Return one job for each arm: what needs no training first, then few past plans before many, which cost more."""
    test = {"suite": "study-knowledge-rosters", **asdict(study.size), "instances": study.instances}
    test |= {"failure_limit": FAILURES, "time_limit": SECONDS}
    made = [Job({**test, "arm": CP_SAT, "seed": 0}, partial(_cp_sat, study))]
    made.append(Job({**test, "arm": LP, "seed": 0}, partial(_scored, study, LpScorer(SECONDS))))
    made += [
        Job({**test, "arm": RANDOM, "seed": seed}, partial(_scored, study, AtRandom(seed)))
        for seed in range(study.seeds)
    ]
    for plans in sorted(study.plans):
        for seed in range(study.seeds):
            learned = {**test, "seed": seed, "plans": plans}
            made.append(Job({**learned, "arm": COUNTING}, partial(_counted, study, plans, seed)))
            made += [
                Job(
                    {**learned, "arm": knowledge, "training": _settings(study.budget, knowledge)},
                    partial(_trained, study, plans, seed, knowledge),
                )
                for knowledge in study.knowledge
            ]
    return made


def _settings(budget: Budget, knowledge: str) -> dict[str, Any]:
    """Return what a record says of a training: the weight of what it does not use is none of it."""
    settings = asdict(budget)
    weights = {name: settings.pop(name) for name in ("sbr", "ste")}
    return settings if knowledge == "none" else {**settings, "weight": weights[knowledge]}


def _past(study: KnowledgeRostersStudy, plans: int, seed: int) -> Path:
    """Return the folder of the past plans of a seed, which are made where they are not there yet."""
    root = study.runs / f"{study.nurses}x{study.days}"
    every = past_plans(study.size, seed, plans, root / f"plans-{seed}")
    return first_plans(every, plans, root / f"plans-{seed}-{plans}")


def _scored(study: KnowledgeRostersStudy, scorer: Scorer) -> dict[str, Any]:
    found = [measure(roster, scorer) for roster in new_rosters(study.size, study.instances)]
    return _together(study, found)


def _together(study: KnowledgeRostersStudy, found: list[dict[str, Any]]) -> dict[str, Any]:
    """Return lists over the new rosters, with the best costs."""
    rosters = new_rosters(study.size, study.instances)
    best = {"best": [roster.cost for roster in rosters], "proved": [roster.proved for roster in rosters]}
    return {**{key: [one[key] for one in found] for key in found[0]}, **best}


def _counted(study: KnowledgeRostersStudy, plans: int, seed: int) -> dict[str, Any]:
    files = model_files(_past(study, plans, seed))
    solutions = []
    for file in files:
        with np.load(solutions_file(file), allow_pickle=False) as arrays:
            solutions.append(arrays["solutions"][0])
    names = new_rosters(study.size, study.instances)[0].model.names  # those of all of one size
    return _scored(study, CountingScorer(names, np.array(solutions)))


def _trained(study: KnowledgeRostersStudy, plans: int, seed: int, knowledge: str) -> dict[str, Any]:
    folder = _past(study, plans, seed)
    config = study.budget.config(folder, plans, seed, knowledge)
    scorer, training = train(config, study.runs / f"{study.nurses}x{study.days}")
    return {**_scored(study, scorer), "training": training}


def _cp_sat(study: KnowledgeRostersStudy) -> dict[str, Any]:
    """Ask CP-SAT for its first plan, with the objective; and for how long until the best one is proved."""
    return _together(study, [_first_plan(roster) for roster in new_rosters(study.size, study.instances)])


class _First(cp_model.CpSolverSolutionCallback):
    """The first solution: its values, the conflicts before it, and the processor's seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.started = time.process_time()
        self.plan: list[int] | None = None
        self.conflicts, self.seconds = 0, 0.0

    def on_solution_callback(self) -> None:
        if self.plan is None:
            self.plan = list(self.response_proto.solution)
            self.conflicts = self.num_conflicts
            self.seconds = time.process_time() - self.started


def _first_plan(roster: NewRoster) -> dict[str, Any]:
    solver = plain_solver()
    solver.parameters.num_workers = 1
    solver.parameters.max_time_in_seconds = SECONDS
    heard = _First()
    status = solver.solve(roster.drawn.model, heard)
    return {
        "solved": heard.plan is not None,
        "failures": heard.conflicts,
        "cost": None if heard.plan is None else roster.cost_of(heard.plan),
        "seconds": round(heard.seconds, 3),
        "proof_seconds": round(time.process_time() - heard.started, 3) if status == cp_model.OPTIMAL else None,
    }
