"""Study 3 on sudokus: what a network on the candidate graph learns from puzzles and the rules alone.

A weight-tied network is trained with the clause loss of Yang, Lee and Park (2022) through the straight-through
estimator, and never sees a solution. It completes held-out sudokus at once, and by iterated inference, beside singles
alone and belief propagation with the same iterated inference; then, without retraining, those of order 16.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import sys
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch

from benchmarks.networks import load_networks
from benchmarks.options import Options
from benchmarks.records import Job
from benchmarks.studies.label_free.sudoku.completion import at_once, by_singles, iterated
from benchmarks.studies.label_free.sudoku.config import SudokuConfig, read_sudoku
from benchmarks.studies.label_free.sudoku.puzzles import Puzzle, candidate_graph, minimal_puzzle
from benchmarks.studies.label_free.sudoku.train import fit_sudoku
from benchmarks.studies.label_free.training.config import STARTS
from nnsearch.problems.sudoku import generate
from nnsearch.scorers.network import Network
from training.config import SEED, SHARE, at_least, each, one_of, some_of

_EASIER = 0.05  # share of the holes of a minimal puzzle that are shown as well
_TEST_STREAM = 7  # trainings draw from other streams


@dataclass(frozen=True)
class SudokuBudget:
    """How much is spent.

    Attributes:
        seeds: trainings.
        count: test puzzles of each kind.
        holes: share of holes of the larger sudokus.
        large: box size of the larger sudokus.
        overrides: keys of the committed config that this budget replaces, see :func:`training.config.read_table`.
    """

    seeds: int
    count: int
    holes: float = 0.6
    large: int = 4
    overrides: dict[str, str] = field(default_factory=dict)


BUDGETS = {
    "full": SudokuBudget(seeds=3, count=500),
    "small": SudokuBudget(seeds=1, count=100, overrides={"data.puzzles": "1500", "train.steps": "3000"}),
    "tiny": SudokuBudget(
        seeds=1,
        count=3,
        large=3,
        overrides={
            "data.puzzles": "10",
            "data.held_out": "2",
            "network.blocks": "2",
            "network.rounds": "1",
            "network.hidden": "4",
            "train.steps": "4",
            "train.candidates_per_step": "100",
        },
    ),
}
"""tiny tries the command out, and its numbers mean nothing."""


@dataclass(frozen=True)
class LabelFreeSudokuStudy(Options):
    """What to run.

    Args:
        budget: full, small or tiny.
        runs: folder of the trainings.
        starts: plain, bp.
        labels: shares of the training puzzles whose solution is shown; 0 is the rules alone.
        seeds: of the trainings; without any as many as the budget says, from 0.
        seed: of the test puzzles.
        processes: trainings side by side, one core each.
    """

    budget: Annotated[str, one_of(*BUDGETS)] = "small"
    runs: Path = Path("runs/study-label-free-sudoku")
    starts: Annotated[tuple[str, ...], some_of(*STARTS)] = ("bp",)
    labels: Annotated[tuple[float, ...], each("shares from 0 to 1", SHARE.holds)] = (0.0,)
    seeds: Annotated[tuple[int, ...], each("0 to 4294967295", SEED.holds)] = ()
    seed: Annotated[int, at_least(0)] = 1
    processes: Annotated[int, at_least(1)] = 1


@dataclass(frozen=True)
class SudokuTest:
    """The held-out sudokus: ``count`` minimal ones of order 9, as many easier ones, and large ones with many holes."""

    count: int
    seed: int
    holes: float
    large: int

    def puzzles(self) -> dict[str, tuple[Puzzle, ...]]:
        """Return the puzzles by their kind."""
        return _test_puzzles(self)

    @property
    def config(self) -> dict[str, Any]:
        """What a record says about it."""
        digest = hashlib.sha256()
        for puzzles in self.puzzles().values():
            for one in puzzles:
                digest.update(np.where(one.given, one.solution, 0).astype(np.int64).tobytes())
        return {**asdict(self), "instances_sha256": digest.hexdigest()[:12]}


@functools.cache
def _test_puzzles(test: SudokuTest) -> dict[str, tuple[Puzzle, ...]]:
    rng = np.random.default_rng([test.seed, _TEST_STREAM])
    minimal = tuple(minimal_puzzle(9, rng) for _ in range(test.count))
    large = tuple(
        Puzzle(np.array(solution), sudoku.grid.ravel() > 0)
        for sudoku, solution in generate(test.large, test.holes, test.count, test.seed)
    )
    return {
        "9 x 9, minimal": minimal,
        "9 x 9, easier": tuple(one.easier(_EASIER, rng) for one in minimal),
        f"{test.large**2} x {test.large**2}, {test.holes:.0%} holes": large,
    }


def jobs(study: LabelFreeSudokuStudy) -> list[Job]:
    """Return one job for the baselines and one for each network: all of a seed, then the next one.

    So the comparison of shares of labels, which differ in nothing else, is there as soon as one seed is done.
    """
    budget = BUDGETS[study.budget]
    test = SudokuTest(budget.count, study.seed, budget.holes, budget.large)
    shared = {"suite": "study-label-free-sudoku", "budget": study.budget, "test": test.config}
    made = [Job({**shared, "arm": "bp", "seed": 0}, partial(_measure_bp, test))]
    trainings = list(itertools.product(study.seeds or range(budget.seeds), study.labels, study.starts))
    for number, (seed, labels, start) in enumerate(trainings, start=1):
        own = {"seed": str(seed), "network.start": start, "loss.labels": str(labels)}
        config = read_sudoku({**budget.overrides, **own})
        settings = asdict(config)
        del settings["seed"]
        arm = f"{start}, {f'{100 * labels:g}% of labels' if labels else 'rules alone'}"
        folder = study.runs / study.budget / f"{start}-{labels:g}-{seed}"
        identity = {**shared, "arm": arm, "seed": seed, "training": settings}
        made.append(Job(identity, partial(_measure, config, folder, test, f"{number} of {len(trainings)}")))
    return made


def _measure_bp(test: SudokuTest) -> dict[str, Any]:
    (network,) = load_networks(["bp"], "cpu", 1)
    return {"boards": _boards(test, network.scorer)}


def _measure(config: SudokuConfig, folder: Path, test: SudokuTest, progress: str) -> dict[str, Any]:
    """Train a network, or go on with its training, and let it complete sudokus."""
    torch.set_num_threads(1)
    name = folder.name
    sys.stderr.write(f"\n{name}: network {progress}, which first needs {config.data.puzzles:,} sudokus\n")
    outcome = fit_sudoku(config, folder, name)
    sys.stderr.write(f"\n{name}: {outcome.seconds:.0f} s of training; now it completes boards\n")
    (network,) = load_networks([str(outcome.file)], "cpu", 1)
    return {**outcome.record, "boards": _boards(test, network.scorer)}


def _boards(test: SudokuTest, network: Network) -> list[dict[str, Any]]:
    """Return the shares of boards that are completed, of each kind; every completion is checked by the rules."""
    found = []
    for kind, puzzles in test.puzzles().items():
        graph, alive = candidate_graph(puzzles[0].order), [one.open_candidates() for one in puzzles]
        found.append(
            {
                "kind": kind,
                "singles": float(by_singles(graph, alive).mean()),
                "at_once": float(at_once(graph, alive, network).mean()),
                "iterated": float(iterated(graph, alive, network).mean()),
            }
        )
    return found
