"""Study 1: what injected knowledge is worth to a network that completes partial Latin squares.

The questions of Silvestri, Lombardi and Milano, "Injecting Domain Knowledge in Neural Networks: a Controlled Experiment
on a Constrained Problem" (2021): without propagation at test time (its figure 1), with propagation of the rows and with
full propagation (figures 2 and 3), with fewer examples (figures 4 and 5), and with fewer solutions whose repeated
deconstruction gives about as many examples (figures 6 and 7).

A *setting* says what a network learns from, in the committed file ``training/configs/study-sbr/SETTING.toml`` with the
full budget, which is for a GPU; an *arm* is what its loss knows beside that. A smaller budget replaces some keys. Each
network is trained in a folder of its own, in which an interrupted training goes on, and then asked about the same fresh
squares, none of which is in any pool.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.instances.squares import fresh_solutions
from benchmarks.options import Options
from benchmarks.records import Job
from benchmarks.suites.feasibility import QUESTIONS, draw_states, refuse_leak, summarise
from nnsearch.output_file import save_npz
from nnsearch.problems.latin_square.problem import LatinSquare
from training.config import Rule, at_least, config_to_table, some_of
from training.data.dense_problems import DenseProblem
from training.data.feasibility import (
    FeasibilityStates,
    fixed_cell,
    free_choice,
    possible_candidates,
    propagators_of,
    random_fixed_cell,
    random_free_choice,
    score_states,
    states_of_examples,
)
from training.data.pools.pool import read_pool
from training.tasks.dense import DenseOutcome, choose_device, fit, scores_of
from training.tasks.dense_config import DenseConfig, ProblemConfig, read_config
from training.tasks.dense_examples import prepare_dense_data, sample_solutions
from training.tasks.run_folder import check_claim, claim

CONFIGS = Path(__file__).resolve().parents[3] / "training" / "configs" / "study-sbr"

FRESH, LEAKING = "fresh squares", "held-out examples"

SETTINGS = {
    "10000-solutions": ("agn", "rows", "full", "solution"),
    "300000-examples": ("agn", "full"),
    "50000-examples": ("agn", "full"),
    "1000-solutions": ("agn", "full"),
    "100-solutions": ("agn", "full"),
    "by-example": ("agn", "full", "solution"),
    "masked": ("agn", "solution"),
    "order-7": ("agn", "full"),
    "order-12": ("agn", "full"),
    "order-15": ("agn", "full"),
    "sudoku-9": ("agn", "full"),
    "n-queens-20": ("agn", "full"),
}
"""Setting -> its arms."""

ARMS = {
    "agn": {},
    "rows": {"loss.propagator": "rows"},
    "full": {"loss.propagator": "full"},
    "solution": {"loss.target": "solution"},
}
"""Arm -> the keys of a setting's config that it replaces; the arms of a setting differ in nothing else.

``agn`` is cross-entropy alone, ``rows`` and ``full`` add SBR from forward checking, and ``solution`` (not in the paper)
is ``agn`` towards all remaining pairs of the solution at once.
"""

MAIN = "10000-solutions"

PAPER = (MAIN, "300000-examples", "50000-examples", "1000-solutions", "100-solutions", "by-example")
"""The settings of the paper's figures. The others are its open questions: training that complements propagation
(*masked*: the network learns to choose among what full propagation leaves), other sizes, and other problems."""


OTHER_SOLUTIONS = 2_000
"""Solutions that the test states of another problem than a Latin square come from: they take longer to sample."""


@dataclass(frozen=True)
class SbrBudget:
    """How much is spent.

    Attributes:
        seeds: setting -> trainings of each arm, each with a pool of its own; 1 of those that are not named.
        states: test states.
        order: of the Latin squares; None is that of the configs.
        overrides: keys of the committed configs that this budget replaces, see :func:`.read_table`.
        fewer: divides the number of solutions, and that of examples, which are fewer in a smaller square too.
        processes: trainings side by side, unless the command says otherwise.
    """

    seeds: dict[str, int]
    states: int
    order: int | None = None
    overrides: dict[str, str] = field(default_factory=dict)
    fewer: int = 1
    processes: int = 1


_ONE_THREAD = {"train.device": "cpu", "train.threads": "1", "train.patience": "0"}

BUDGETS = {
    "full": SbrBudget(seeds=dict.fromkeys(SETTINGS, 5), states=20_000),
    "small": SbrBudget(
        seeds={**dict.fromkeys(PAPER[1:5], 2), MAIN: 3},
        states=20_000,
        overrides={
            **_ONE_THREAD,
            "train.presentations": "3_000_000",
            "train.batch_size": "1024",
            "train.evaluate_every": "250_000",
        },
        processes=2,
    ),
    "tiny": SbrBudget(
        seeds={MAIN: 2},
        states=720,
        order=6,
        overrides={
            **_ONE_THREAD,
            "network.hidden": "[16]",
            "data.validation_states": "72",
            "train.presentations": "4_000",
            "train.batch_size": "64",
            "train.evaluate_every": "2_000",
        },
        fewer=400,
    ),
}
"""full is for a GPU, small for two cores; tiny tries the command out, and its numbers mean nothing."""

BUDGET = Rule(f"one of {', '.join(BUDGETS)}", BUDGETS.__contains__)


@dataclass(frozen=True)
class SbrStudy(Options):
    """What to run.

    Args:
        budget: full, small or tiny.
        runs: folder of the trainings, the pools and the test states.
        settings: what the networks learn from.
        seed: of the test solutions.
    """

    budget: Annotated[str, BUDGET] = "small"
    runs: Path = Path("runs/study-sbr")
    settings: Annotated[tuple[str, ...], some_of(*SETTINGS)] = PAPER
    seed: Annotated[int, at_least(0)] = 1


@dataclass(frozen=True)
class SbrTraining:
    """One network to train: what it learns from, what its loss knows, the whole run, its folder and its pool."""

    setting: str
    arm: str
    config: DenseConfig
    folder: Path
    pool: Path


def jobs(study: SbrStudy) -> list[Job]:
    """Sample the pools and the test solutions, and return one job for each network, and one for random choice.

    The order of the jobs makes an unfinished study useful: a first network of every setting and arm, then a second.

    Raises:
        ConfigError: a committed config is malformed.
        PoolError: a pool holds a test solution.
    """
    trainings = list(_trainings(study))
    tests: dict[ProblemConfig, Path] = {}
    made = []
    for problem in dict.fromkeys(training.config.problem for training in trainings):
        dense, shared = problem.dense(), _shared(study, problem)
        kind = "" if isinstance(dense, LatinSquare) else f"{problem.kind}-"
        name = f"{kind}{problem.order}-{shared['test']['states']}-{study.seed}.npz"
        tests[problem] = study.runs / "test" / name
        solutions = _sample_test(tests[problem], dense, shared["test"])
        for training in trainings:
            if training.config.problem == problem:
                _sample_pool(training, solutions)
        made.append(Job({**shared, "setting": "none", "arm": "rnd"}, partial(_measure_random, tests[problem], dense)))
    for number, training in enumerate(trainings, start=1):
        config = {
            **_shared(study, training.config.problem),
            "setting": training.setting,
            "arm": training.arm,
            "seed": training.config.seed,
            "split": training.config.data.split,
            "presentations": training.config.train.presentations,
            "pool_sha256": _digest(training.pool, training.config.problem.dense()),
            "training": _differences(config_to_table(training.config), config_to_table(DenseConfig())),
        }
        progress = f"{number} of {len(trainings)}"
        made.append(Job(config, partial(_measure, training, tests[training.config.problem], study.seed, progress)))
    return made


def _shared(study: SbrStudy, problem: ProblemConfig) -> dict[str, Any]:
    """Return what the records of one problem have in common."""
    budget = BUDGETS[study.budget]
    test: dict[str, Any] = {"order": problem.order, "states": budget.states, "squares": budget.states}
    if problem.kind != LatinSquare.name:
        test |= {"problem": problem.kind, "squares": max(8, OTHER_SOLUTIONS // budget.fewer)}
    return {"suite": "study-sbr", "budget": study.budget, "test": {**test, "seed": study.seed}}


def _sample_pool(training: SbrTraining, solutions: npt.NDArray[np.uint8]) -> None:
    """Sample the pool of a training unless another one has, and refuse one with a test solution."""
    problem = training.config.problem.dense()
    if not training.pool.exists():
        training.pool.parent.mkdir(parents=True, exist_ok=True)
        settings = training.config.pool
        sample_solutions(problem, settings.solutions, settings.seed).save(training.pool)
    refuse_leak(solutions, training.pool, problem.first_value)


def read_arm(setting: str, arm: str, overrides: Mapping[str, str]) -> DenseConfig:
    """Read the committed config of a setting as an arm of it; see :func:`training.config.read_table`."""
    own = {"name": f"{setting}-{arm}", **ARMS[arm]}
    return read_config(CONFIGS / f"{setting}.toml", {**own, **overrides})


def _trainings(study: SbrStudy) -> Iterator[SbrTraining]:
    budget = BUDGETS[study.budget]
    for seed in range(max(budget.seeds.values())):
        for setting in study.settings:
            if seed >= budget.seeds.get(setting, 1):
                continue
            for arm in SETTINGS[setting]:
                config = read_arm(setting, arm, {**budget.overrides, "seed": str(seed), "pool.seed": str(seed + 1)})
                problem, kind = config.problem, f"{config.problem.kind}-"
                if problem.kind == LatinSquare.name:
                    problem, kind = replace(problem, order=budget.order or problem.order), ""
                config = replace(
                    config,
                    problem=problem,
                    pool=replace(config.pool, solutions=max(8, config.pool.solutions // budget.fewer)),
                    data=replace(
                        config.data,
                        examples=config.data.examples * problem.dense().num_variables // (100 * budget.fewer),
                    ),
                )
                name = f"{kind}{problem.order}-{config.pool.solutions}-{config.pool.seed}.npz"
                folder = study.runs / study.budget / f"{setting}-{arm}-{seed}"
                yield SbrTraining(setting, arm, config, folder, study.runs / "pools" / name)


def _digest(pool: Path, problem: DenseProblem) -> str:
    """Return a digest of the solutions: the bytes of a compressed file depend on who compressed it."""
    solutions = read_pool(pool, problem.num_variables, problem.first_value, problem.num_values).solutions
    return hashlib.sha256(solutions.astype(np.uint8).tobytes()).hexdigest()[:12]


def _differences(table: dict[str, Any], default: dict[str, Any]) -> dict[str, Any]:
    """Return what differs from the defaults: a key that is added later leaves the identity of older records alone."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            inner = _differences(value, default[key])
            found |= {key: inner} if inner else {}
        elif value != default[key]:
            found[key] = value
    return found


def _measure_random(test: Path, problem: DenseProblem) -> dict[str, Any]:
    """Measure random choice: its exact expectation."""
    states = _read_test(test, problem)
    judges = (random_free_choice, random_fixed_cell)
    return {"tests": {FRESH: _ask(states, lambda possible: [judge(states, possible) for judge in judges])}}


def _measure(training: SbrTraining, test: Path, seed: int, progress: str) -> dict[str, Any]:
    """Train a network, or go on with its training, and ask it about the test states."""
    config = training.config
    check_claim(training.folder, config)
    own = training.folder / "pool.npz"
    if not own.exists():
        claim(training.folder, config)
        temporary = own.with_name("pool.npz.tmp")
        shutil.copyfile(training.pool, temporary)
        temporary.replace(own)
    outcome = fit(config, training.folder)
    if outcome.interrupted:
        raise KeyboardInterrupt
    fresh = _read_test(test, config.problem.dense())
    tests = {FRESH: _ask_network(outcome, fresh)}
    if config.data.split == "example":
        data = prepare_dense_data(config, own)
        assert data.held_out is not None
        rng = np.random.default_rng([seed, config.seed])
        leaking = states_of_examples(data.problem, data.held_out, len(fresh.filled), rng)
        tests[LEAKING] = _ask_network(outcome, leaking)
    feasible = tests[FRESH]["none"]["free choice"]["mean"]
    name, seconds = training.folder.name, outcome.seconds
    sys.stderr.write(f"\n{name}: network {progress}, free choice {feasible:.3f}, {seconds:.0f} s of training\n")
    return {
        "solutions": outcome.num_solutions,
        "examples": outcome.num_examples,
        "presentations": outcome.presentations,
        "best_presentations": outcome.best_presentations,
        "validation": round(outcome.feasibility, 5),
        "seconds": round(outcome.seconds, 1),
        "torch": torch.__version__,
        "device": torch.cuda.get_device_name() if choose_device(config.train.device).type == "cuda" else "cpu",
        "tests": tests,
    }


def _ask_network(outcome: DenseOutcome, states: FeasibilityStates) -> dict[str, Any]:
    scores = score_states(scores_of(outcome.network), states)
    judges = (free_choice, fixed_cell)
    return _ask(states, lambda possible: [judge(states, scores, possible) for judge in judges])


def _ask(
    states: FeasibilityStates, judge: Callable[[npt.NDArray[np.bool_]], Sequence[npt.NDArray[np.float64]]]
) -> dict[str, Any]:
    """Ask both questions about the same states, with every propagation at test time.

    Return propagation -> question -> summary, and once for all of them how many states each fill level has.
    """
    result: dict[str, Any] = {}
    for propagation in propagators_of(states.problem):
        result[propagation] = {}
        for question, outcome in zip(QUESTIONS, judge(possible_candidates(states, propagation)), strict=True):
            summary = summarise(states, outcome)
            result["states_per_level"] = summary.pop("states_per_level")
            result[propagation][question] = summary
    return result


def _sample_test(path: Path, problem: DenseProblem, test: dict[str, Any]) -> npt.NDArray[np.uint8]:
    """Return uint8[S, ...], the test solutions, whose labelled states are kept in a file: each process needs them."""
    if not path.exists():
        solutions = fresh_solutions(problem, test["squares"], test["seed"])
        indices = solutions.reshape(len(solutions), -1) - np.uint8(problem.first_value)
        states = draw_states(problem, indices, test["states"], np.random.default_rng(test["seed"]))
        path.parent.mkdir(parents=True, exist_ok=True)
        save_npz(path, {"squares": solutions, **states.packed()})
    with np.load(path, allow_pickle=False) as arrays:
        return np.asarray(arrays["squares"])


def _read_test(path: Path, problem: DenseProblem) -> FeasibilityStates:
    with np.load(path, allow_pickle=False) as arrays:
        return FeasibilityStates.unpacked(problem, arrays)
