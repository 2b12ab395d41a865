"""Study 1 in a search: what the trained networks are worth as value orders, with and without propagation.

The first open question of Silvestri, Lombardi and Milano (2021): their test asks a network for one assignment and looks
whether some solution contains it; here the same networks, found in the run folders of ``study sbr``, complete whole
partial solutions. Every network gets the same fresh ones of its own size, none of which is in the pool that it learned
from, under the same failure limit, with every propagation: the three levels of the paper
(:mod:`benchmarks.studies.sbr.backtracking`) and ``engine``, the model as it is in the CP engine (all-different and its
dual). It is asked both questions at every node: *free choice*, where it picks the cell too, and *fixed cell*, where the
cell with the fewest values is next. Beside the networks stand random scores (``rnd``) and belief propagation (``bp``),
which knows all constraints and has nothing to train.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

import nnsearch.cp
from benchmarks.answers import AnswerError
from benchmarks.instances.squares import fresh_solutions
from benchmarks.options import Options
from benchmarks.records import Job
from benchmarks.studies.sbr.backtracking import (
    GAVE_UP,
    INFEASIBLE,
    SOLVED,
    BacktrackingResult,
    FloatArray,
    IntArray,
    Score,
    backtrack,
)
from benchmarks.studies.sbr.study import BUDGET, MAIN, SETTINGS
from benchmarks.suites.feasibility import QUESTIONS, refuse_leak
from nnsearch.cp import InferencePolicy
from nnsearch.cp.search_options import SearchOptions, VariableOrder
from nnsearch.encoding.one_hot import OneHot, OneHotState
from nnsearch.errors import ConfigError
from nnsearch.limits import Limits
from nnsearch.model.graph import CandidateGraph
from nnsearch.problems import Problem
from nnsearch.result import Status
from nnsearch.scorers.network import Network
from nnsearch.scorers.onnx import OnnxScorer
from nnsearch.scorers.scorer import Scorer
from training.config import ItemRule, at_least, some_of
from training.data.dense_problems import DenseProblem
from training.data.feasibility import PROPAGATORS, BoolArray, forward_checking, propagators_of
from training.networks.mlp import MLP
from training.running.network_file import file_digest
from training.tasks.dense import scores_of, stored_outcome
from training.tasks.dense_config import DenseConfig
from training.tasks.run_folder import read_claim

ENGINE = "engine"
PROPAGATIONS = (*PROPAGATORS, ENGINE)
SEARCHED = (MAIN, "masked")
"""The settings that are searched unless others are asked for."""

RANDOM_SEEDS = 3

_HOLES = ItemRule("shares above 0 and at most 1", lambda share: 0 < share <= 1)

_CERTAIN = 1e6  # beyond any score of belief propagation, which is the logarithm of odds
_STATUS = {Status.OPTIMAL: SOLVED, Status.INFEASIBLE: INFEASIBLE, Status.UNKNOWN: GAVE_UP}
_VARIABLES: dict[str, VariableOrder] = {"free choice": "most-confident", "fixed cell": "min-domain"}


@dataclass(frozen=True)
class SearchStudy(Options):
    """What to run.

    Args:
        budget: of the trainings: full, small or tiny.
        runs: the folder that ``study sbr`` left behind; it is only read.
        settings: what the networks have learned from.
        holes: shares of the variables that have no value, above 0 and at most 1.
        count: partial solutions of each problem and share, 1 or more.
        failure_limit: of each search, 1 or more.
        seed: of the partial solutions, 0 or more.
    """

    budget: Annotated[str, BUDGET] = "small"
    runs: Path = Path("runs/study-sbr")
    settings: Annotated[tuple[str, ...], some_of(*SETTINGS)] = SEARCHED
    holes: Annotated[tuple[float, ...], _HOLES] = (0.42, 0.3)
    count: Annotated[int, at_least(1)] = 50
    failure_limit: Annotated[int, at_least(1)] = 2_000
    seed: Annotated[int, at_least(0)] = 1


@dataclass(frozen=True)
class Trained:
    """A network of ``study sbr`` with its best weights."""

    setting: str
    arm: str
    config: DenseConfig
    network: MLP

    @property
    def label(self) -> dict[str, Any]:
        """What a record says about it."""
        digest = hashlib.sha256(b"".join(t.numpy().tobytes() for t in self.network.state_dict().values()))
        names = {"setting": self.setting, "arm": self.arm, "seed": self.config.seed}
        return {**names, "weights_sha256": digest.hexdigest()[:12]}


@dataclass(frozen=True)
class Partials:
    """Partial solutions to complete, made from their description where they are wanted; ``holes`` is a share."""

    problem: DenseProblem
    holes: float
    count: int
    seed: int

    def solutions(self) -> npt.NDArray[np.uint8]:
        """Return uint8[count, n, ...]: the solutions, of values."""
        return fresh_solutions(self.problem, self.count, self.seed)

    def indices(self) -> IntArray:
        """Return int64[count, V]: the value indices that are given, -1 in a hole; any holes with equal probability."""
        size = self.problem.num_variables
        number = round(self.holes * size)
        rng = np.random.default_rng([self.seed, size, number])
        holes = rng.permuted(np.broadcast_to(np.arange(size), (self.count, size)), axis=1) < number
        solutions = self.solutions().reshape(self.count, size).astype(np.int64)
        return np.where(holes, -1, solutions - self.problem.first_value)


def jobs(study: SearchStudy) -> list[Job]:
    """Return a job for each network, share of holes, propagation and question.

    Raises:
        ConfigError: there is no finished training.
        PoolError: the pool of a network holds one of the solutions.
    """
    found = list(_trained(study))
    if not found:
        names = ", ".join(study.settings)
        raise ConfigError(
            f"{study.runs / study.budget}: expected finished trainings of {names}, found none; "
            f"start with: python -m benchmarks study sbr --budget {study.budget} "
            f"--settings {' '.join(study.settings)} --runs {study.runs}"
        )
    made = []
    for problem in dict.fromkeys(trained.config.problem for trained in found):
        same = [trained for trained in found if trained.config.problem == problem]
        for holes in study.holes:
            partials = Partials(problem.dense(), holes, study.count, study.seed)
            shared = {
                "suite": "study-sbr-search",
                "budget": study.budget,
                "test": {
                    "problem": problem.kind,
                    "order": problem.order,
                    "holes": holes,
                    "count": study.count,
                    "seed": study.seed,
                },
                "failure_limit": study.failure_limit,
            }
            for name, scorer in _scorers(partials.problem, same):
                for propagation in (*propagators_of(partials.problem), ENGINE):
                    for question in QUESTIONS:
                        config = {**shared, **name, "propagation": propagation, "question": question}
                        measure = partial(_measure, partials, scorer, propagation, question, study.failure_limit)
                        made.append(Job(config, measure))
    return made


def _trained(study: SearchStudy) -> Iterator[Trained]:
    """Find the finished trainings of the settings; none may have learned from a solution of the test."""
    for setting in study.settings:
        for arm in SETTINGS[setting]:
            for folder in sorted((study.runs / study.budget).glob(f"{setting}-{arm}-*/checkpoint.pt")):
                config = read_claim(folder.parent)
                assert isinstance(config, DenseConfig)
                outcome = stored_outcome(config, folder.parent)
                if outcome.interrupted:
                    sys.stderr.write(f"{folder.parent.name}: left out, its training is not finished\n")
                    continue
                problem = config.problem.dense()
                solutions = Partials(problem, 1, study.count, study.seed).solutions()
                refuse_leak(solutions, folder.with_name("pool.npz"), problem.first_value)
                yield Trained(setting, arm, config, outcome.network)


def _scorers(problem: DenseProblem, networks: Sequence[Trained]) -> list[tuple[dict[str, Any], _Scorer]]:
    """Return what a record says about each scorer, and the scorer."""
    bp = OnnxScorer("bp", "cpu", 1).path
    return [
        *(({"setting": "none", "arm": "rnd", "seed": seed}, _random(problem, seed)) for seed in range(RANDOM_SEEDS)),
        *((one.label, _dense(problem, one.network)) for one in networks),
        ({"setting": "none", "arm": "bp", "model_sha256": file_digest(bp)}, _belief_propagation(problem, bp)),
    ]


@dataclass(frozen=True)
class _Scorer:
    """Scores for the searches on so many instances at once, and for that on one of them in the CP engine."""

    batched: Callable[[int], Score]
    alone: Callable[[int], Scorer]


class _Scores(Network):
    """A scorer by a function, float32[B, N] -> float32[B, N]."""

    def __init__(self, name: str, problem: DenseProblem, scores: Callable[[FloatArray], FloatArray]) -> None:
        self.name, self._scores = name, scores
        self.encoder = OneHot(problem.num_variables, problem.num_values, problem.first_value)

    def score(self, states: Sequence[OneHotState]) -> list[FloatArray]:
        return list(self._scores(np.stack([state.assignment for state in states])))


def _dense(problem: DenseProblem, network: MLP) -> _Scorer:
    scores = scores_of(network)
    return _Scorer(
        lambda count: lambda instances, assignment: scores(assignment),
        lambda instance: _Scores("dense", problem, scores),
    )


def _random(problem: DenseProblem, seed: int) -> _Scorer:
    """Return uniform random scores, drawn afresh at every node; those of an instance depend on no other."""

    def of(instance: int) -> Callable[[FloatArray], FloatArray]:
        rng = np.random.default_rng([seed, instance])
        return lambda assignment: rng.random(assignment.shape, dtype=np.float32)

    def batched(count: int) -> Score:
        each = [of(instance) for instance in range(count)]
        return lambda instances, assignment: np.stack(
            [each[instance](row) for instance, row in zip(instances, assignment, strict=True)]
        )

    return _Scorer(batched, lambda instance: _Scores("rnd", problem, of(instance)))


def _belief_propagation(problem: DenseProblem, path: Path) -> _Scorer:
    """Return belief propagation on what full forward checking leaves, whatever the search itself propagates.

    So it is the floor of failures of a scorer that knows the constraints, not a fair rival of the networks.
    """

    def batched(count: int) -> Score:
        scorer = OnnxScorer(path, "cpu", 1)
        none = np.zeros(problem.num_variables, dtype=np.int64)
        model, _ = problem.instance("", none, none > 0).build()
        encoding = scorer.prepare(CandidateGraph.from_model(model)).encoding
        propagate = forward_checking(problem, "full")

        def score(instances: IntArray, assignment: FloatArray) -> FloatArray:
            alive: BoolArray = propagate(assignment) | (assignment != 0)
            states = [encoding.encode(one) for one in alive]
            scores = np.where(alive, np.float32(_CERTAIN), np.float32(-_CERTAIN))
            asked = [index for index, state in enumerate(states) if state.num_scores]
            found = scorer.score([states[index] for index in asked]) if asked else []
            for index, scored in zip(asked, found, strict=True):
                scores[index, states[index].candidate] = scored
            return scores

        return score

    return _Scorer(batched, lambda instance: OnnxScorer(path, "cpu", 1))


def _measure(
    partials: Partials, scorer: _Scorer, propagation: str, question: str, failure_limit: int
) -> dict[str, Any]:
    """Complete the partial solutions, check every answer, and return the ``result`` of the record.

    Raises:
        AnswerError: an answer is wrong.
    """
    torch.set_num_threads(1)
    problem, indices = partials.problem, partials.indices()
    given = indices >= 0
    instances = [
        problem.instance(str(index), values, given[index]) for index, values in enumerate(indices + problem.first_value)
    ]
    if propagation == ENGINE:
        searches = _in_engine(problem, instances, scorer, question, failure_limit)
    else:
        assignment = (indices[:, :, None] == np.arange(problem.num_values)).reshape(len(indices), -1)
        score, title = scorer.batched(len(instances)), f"{propagation}, {question}"
        searches = backtrack(problem, assignment, score, propagation, question, failure_limit, title)
    for instance, status, values in zip(instances, searches.status, searches.values, strict=True):
        solution = (values + problem.first_value).tolist()
        if status == INFEASIBLE or (status == SOLVED and not instance.is_solution(solution)):
            got = "infeasible" if status == INFEASIBLE else solution
            raise AnswerError(f"{propagation}, {question}: expected a solution of instance {instance.name}, got {got}")
    return {
        "status": list(searches.status),
        "failures": searches.failures.tolist(),
        "decisions": searches.decisions.tolist(),
        "states_scored": searches.states.tolist(),
    }


def _in_engine(
    problem: DenseProblem, instances: Sequence[Problem], scorer: _Scorer, question: str, failure_limit: int
) -> BacktrackingResult:
    """Search in the CP engine, with the constraints of the model, without restarts."""
    status, values, counts = [], [], []
    for index, instance in enumerate(tqdm(instances, disable=None, desc=f"{ENGINE}, {question}", leave=False)):
        model, variables = instance.build()
        result = nnsearch.cp.solve(
            model,
            variables,
            scorer.alone(index),
            SearchOptions(
                variable_order=_VARIABLES[question],
                policy=InferencePolicy(1),
                restarts=None,
                limits=Limits(failures=failure_limit),
            ),
        )
        status.append(_STATUS[result.status])
        found = result.solution[: len(variables)] if result.solution else [problem.first_value - 1] * len(variables)
        values.append(np.array(found) - problem.first_value)
        counts.append((result.failures, result.branches, result.inference.states))
    failures, branches, states = np.array(counts, dtype=np.int64).T
    return BacktrackingResult(tuple(status), np.stack(values), failures, branches, states)
