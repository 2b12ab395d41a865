"""Study 3: where the two papers meet: value orders of networks that learned from clauses, constraints or solutions.

One network on the candidate graph is trained for as many steps on the same partial Latin squares, each time with a loss
that knows something else: the clauses alone, through the straight-through estimator, and never a solution (Yang, Lee
and Park 2022); one pair of a solution, without (agn) and with (sbr) semantic-based regularisation (Silvestri, Lombardi
and Milano 2021); the whole planted solution. The networks start as message passing that knows nothing (*plain*), or as
belief propagation (*bp*), which knows what the groups mean before anything is trained.

Each network then orders the values of the CP engine on fresh squares of larger orders than any it was trained on, under
the same limits and restarts as belief propagation and random values.
"""

from __future__ import annotations

import functools
import hashlib
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import torch

import nnsearch.cp
from benchmarks.answers import check_answer
from benchmarks.arms import NoOpinion
from benchmarks.instances.instance_sets import Case
from benchmarks.instances.squares import fresh_quasigroups, fresh_squares
from benchmarks.networks import LoadedNetwork, load_networks
from benchmarks.options import Options
from benchmarks.records import Job
from benchmarks.studies.label_free.training.config import KNOWLEDGE, STARTS, LabelFreeConfig, read_label_free
from benchmarks.studies.label_free.training.train import fit
from benchmarks.studies.label_free.value_probabilities import ValueProbabilities
from nnsearch.cp import InferencePolicy, Restarts, Sampling
from nnsearch.cp.search_options import SearchOptions, VariableOrder
from nnsearch.errors import ConfigError
from nnsearch.limits import Limits
from nnsearch.model.graph import CandidateGraph
from nnsearch.result import SolveResult, Status
from training.config import Rule, at_least, some_of
from training.data.graph_states import batch_of, planted_state, training_state
from training.tasks.graph import measure

VARIABLES = ("min-domain", "most-confident", "most-probable")
"""Who chooses the variable: the engine, so that networks choose values alone; the network, by its greatest score; the
network, by the greatest probability of a value of its variable (:class:`ValueProbabilities`), which compares
variables whatever a loss did to the level of their scores."""

FLOORS = ("random", "bp")
"""What needs no training: random values, and belief propagation (``models/bp.onnx``)."""

_POLICY = InferencePolicy(10, after_failure=True)
_RESTART_AFTER = 40
_SECONDS = 60.0  # of one search: the limit that counts is that of failures


@dataclass(frozen=True)
class LabelFreeBudget:
    """How much is spent.

    Attributes:
        seeds: trainings of each start and knowledge, and runs of random values.
        orders: of the squares that are searched.
        count: how many of each order.
        failures: limit of a search.
        holes: share of the cells of a square.
        overrides: keys of the committed config that this budget replaces, see :func:`.read_table`.
    """

    seeds: int
    orders: tuple[int, ...]
    count: int
    failures: int
    holes: float = 0.42
    overrides: dict[str, str] = field(default_factory=dict)


BUDGETS = {
    "full": LabelFreeBudget(seeds=5, orders=(20, 25, 30, 35), count=50, failures=2000),
    "small": LabelFreeBudget(
        seeds=3,
        orders=(20, 25),
        count=10,
        failures=200,
        overrides={
            "data.orders": "[8, 10, 12]",
            "data.squares": "2000",
            "train.steps": "400",
            "train.candidates_per_step": "1500",
        },
    ),
    "tiny": LabelFreeBudget(
        seeds=1,
        orders=(6,),
        count=2,
        failures=20,
        holes=0.9,
        overrides={
            "data.orders": "[4, 5]",
            "data.squares": "8",
            "data.least_candidates": "4",
            "network.blocks": "1",
            "network.rounds": "1",
            "network.hidden": "4",
            "train.steps": "4",
            "train.candidates_per_step": "40",
        },
    ),
}
"""full takes a day on one core, small an hour; tiny tries the command out, and its numbers mean nothing."""


@dataclass(frozen=True)
class LabelFreeStudy(Options):
    """What to run.

    Args:
        budget: full, small or tiny.
        runs: folder of the trainings.
        starts: plain, bp.
        knowledge: clauses, agn, sbr, planted.
        seed: of the squares that are searched.
    """

    budget: Annotated[str, Rule(f"one of {', '.join(BUDGETS)}", BUDGETS.__contains__)] = "small"
    runs: Path = Path("runs/study-label-free")
    starts: Annotated[tuple[str, ...], some_of(*STARTS)] = STARTS
    knowledge: Annotated[tuple[str, ...], some_of(*KNOWLEDGE)] = KNOWLEDGE
    seed: Annotated[int, at_least(0)] = 1


@dataclass(frozen=True)
class SearchTest:
    """The squares that are searched, ``count`` of each order, and the limit of failures."""

    orders: tuple[int, ...]
    holes: float
    count: int
    seed: int
    failures: int

    def cases(self, order: int) -> list[Case]:
        """Return the squares of one order."""
        return _cases(order, self.holes, self.count, self.seed)

    def planted(self, order: int) -> npt.NDArray[np.int64]:
        """Return int64[count, n * n], the squares that those of one order were made from."""
        return fresh_squares(order, 2 * self.count, self.seed)[::2].reshape(self.count, -1).astype(np.int64)

    @property
    def config(self) -> dict[str, Any]:
        """What a record says about it."""
        digest = hashlib.sha256()
        for order in self.orders:
            for case in self.cases(order):
                digest.update(case.config["instance_sha256"].encode())
        return {
            **asdict(self),
            "orders": list(self.orders),
            "instances_sha256": digest.hexdigest()[:12],
            "seconds": _SECONDS,
            "policy": asdict(_POLICY),
            "restart_after": _RESTART_AFTER,
        }


@functools.cache
def _cases(order: int, holes: float, count: int, seed: int) -> list[Case]:
    """Sample large squares once: it takes seconds."""
    return [Case(square, True) for square in fresh_quasigroups(order, holes, count, seed)]


def jobs(study: LabelFreeStudy) -> list[Job]:
    """Return one job for each floor and each network.

    The order of the jobs makes an unfinished study useful: all knowledge with one seed, then the next seed; plain
    networks before those that start as belief propagation.

    Raises:
        ConfigError: a square that is searched could be one that a network was trained on.
    """
    budget = BUDGETS[study.budget]
    test = SearchTest(budget.orders, budget.holes, budget.count, study.seed, budget.failures)
    shared = {"suite": "study-label-free", "budget": study.budget, "test": test.config}
    made = [
        Job({**shared, "start": "none", "knowledge": floor, "seed": seed}, partial(_measure_floor, floor, seed, test))
        for floor in FLOORS
        for seed in range(budget.seeds if floor == "random" else 1)
    ]
    trainings = [
        _training(study.budget, start, knowledge, seed)
        for start in study.starts
        for seed in range(budget.seeds)
        for knowledge in study.knowledge
    ]
    for number, config in enumerate(trainings, start=1):
        refuse_shared_orders(config, test)
        start, knowledge = config.network.start, config.loss.knowledge
        settings = asdict(config)
        del settings["seed"], settings["network"]["start"], settings["loss"]["knowledge"]
        identity = {"start": start, "knowledge": knowledge, "seed": config.seed, "training": settings}
        folder = study.runs / study.budget
        progress = f"{number} of {len(trainings)}"
        made.append(Job({**shared, **identity}, partial(_measure, config, folder, test, progress)))
    return made


def refuse_shared_orders(config: LabelFreeConfig, test: SearchTest) -> None:
    """Refuse to search squares of an order that a network is trained on: only so can no square be on both sides.

    Raises:
        ConfigError: an order is on both sides.
    """
    both = sorted(set(config.data.orders) & set(test.orders))
    if both:
        raise ConfigError(f"orders: expected other ones than those of the training, got {both[0]} on both sides")


def _training(budget: str, start: str, knowledge: str, seed: int) -> LabelFreeConfig:
    own = {"seed": str(seed), "network.start": start, "loss.knowledge": knowledge}
    return read_label_free({**BUDGETS[budget].overrides, **own})


def _measure_floor(floor: str, seed: int, test: SearchTest) -> dict[str, Any]:
    """Search without a trained network."""
    if floor == "bp":
        (network,) = load_networks(["bp"], "cpu", 1)
        return {"root": _root(network, test), "searches": list(_searches(floor, _by_network(network), VARIABLES, test))}

    def solve(case: Case, _: str, limits: Limits) -> SolveResult:
        # One random order of values for each run, as random-restarts of the suite search.
        return nnsearch.cp.solve(
            *case.instance.build(),
            NoOpinion(),
            SearchOptions(
                variable_order="min-domain",
                policy=InferencePolicy(0),
                sampling=Sampling(seed),
                restarts=Restarts(_RESTART_AFTER, seed=seed),
                limits=limits,
            ),
        )

    return {"searches": list(_searches(floor, solve, VARIABLES[:1], test))}


def _measure(config: LabelFreeConfig, runs: Path, test: SearchTest, progress: str) -> dict[str, Any]:
    """Train a network, or go on with its training, and search with it."""
    torch.set_num_threads(1)
    name = f"{config.network.start}-{config.loss.knowledge}-{config.seed}"
    outcome = fit(config, runs / name, name)
    sys.stderr.write(f"\n{name}: network {progress}, {outcome.seconds:.0f} s of training; now it searches\n")
    (network,) = load_networks([str(outcome.file)], "cpu", 1)
    return {
        **outcome.record,
        "root": _root(network, test),
        "searches": list(_searches(name, _by_network(network), VARIABLES, test)),
    }


_Solve = Callable[[Case, str, Limits], SolveResult]
"""(square, one of :data:`VARIABLES`, limits)"""


def _by_network(network: LoadedNetwork) -> _Solve:
    scorer = network.scorer

    def solve(case: Case, variables: str, limits: Limits) -> SolveResult:
        order: VariableOrder = "min-domain" if variables == "min-domain" else "most-confident"
        return nnsearch.cp.solve(
            *case.instance.build(),
            ValueProbabilities(scorer) if variables == "most-probable" else scorer,
            SearchOptions(
                variable_order=order, policy=_POLICY, restarts=Restarts(_RESTART_AFTER, seed=1), limits=limits
            ),
        )

    return solve


def _searches(arm: str, solve: _Solve, variables: Sequence[str], test: SearchTest) -> Iterator[dict[str, Any]]:
    """Yield what a way to solve needs for the squares of each order, under each variable order; answers are checked."""
    limits = Limits(_SECONDS, test.failures)
    for order in test.orders:
        cases = test.cases(order)
        for choice in variables:
            results = [solve(case, choice, limits) for case in cases]
            for case, result in zip(cases, results, strict=True):
                check_answer(case, arm, result)
            yield {
                "order": order,
                "variables": choice,
                "solved": [result.status is Status.OPTIMAL for result in results],
                "failures": [result.failures for result in results],
                "branches": [result.branches for result in results],
                "seconds": [round(result.wall_seconds, 3) for result in results],
                "inference_seconds": [round(result.inference.seconds, 3) for result in results],
                "checked": True,
            }


def _root(network: LoadedNetwork, test: SearchTest) -> list[dict[str, Any]]:
    """Return, for each order, the share of exactly-one groups whose best-scored candidate is of the planted solution.

    Of the squares as a search first sees them. Other candidates may be right too, for a square has several solutions.
    """
    scorer = network.scorer
    shares = []
    for order in test.orders:
        states = []
        for case, square in zip(test.cases(order), test.planted(order), strict=True):
            model, _ = case.instance.build()
            graph = CandidateGraph.from_model(model)  # of the given values alone
            states.append(training_state(planted_state(graph, square, square == 0)))
        kept = [one for one in states if one.state.num_candidates]
        if not kept:  # propagation solves squares with few holes
            continue
        scores = np.concatenate(scorer.score([one.state for one in kept]))
        value = measure(torch.from_numpy(scores), batch_of(kept, torch.device("cpu")))["value"]
        shares.append({"order": order, "value": round(value, 4)})
    return shares
