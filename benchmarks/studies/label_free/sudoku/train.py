"""Training of one network on sudokus: L_cnf + L_bound after every block, a random number of blocks in each step."""

from __future__ import annotations

import functools
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import trange

from benchmarks.studies.label_free.sudoku.config import SudokuConfig
from benchmarks.studies.label_free.sudoku.puzzles import Puzzle, minimal_puzzle
from benchmarks.studies.label_free.training.clauses import clauses_of, variable_group
from benchmarks.studies.label_free.training.knowledge import clause_loss
from benchmarks.studies.label_free.training.train import LabelFreeOutcome, fit_network, untrained_network
from nnsearch.encoding.candidate_graph import disjoint_union
from nnsearch.errors import ConfigError
from nnsearch.problems.sudoku.problem import Sudoku
from training.data.graph_states import GraphBatch, TrainingState, batch_of, training_state
from training.loop import Measurement, Measuring
from training.losses.candidate_graph import group_cross_entropy
from training.losses.cnf import Cnf
from training.tasks.graph import block_loss


def fit_sudoku(config: SudokuConfig, run_dir: Path, name: str) -> LabelFreeOutcome:
    """Train a network on sudokus and export it; see :func:`fit_network`."""
    torch.manual_seed(config.seed)
    network = untrained_network(config.network)
    least, most = min(config.train.least_blocks, config.network.blocks), config.network.blocks
    held_out = functools.cache(lambda: HeldOut.draw(config))

    def loss(drawn: list[TrainingState], batch: GraphBatch, rng: np.random.Generator) -> Tensor:
        of_clauses = clause_loss([one.state for one in drawn], config.loss.bound)

        def of_block(scores: Tensor) -> Tensor:
            return of_clauses(scores) + label_loss(scores, batch)

        return block_loss(network.all_blocks(*batch.inputs, blocks=int(rng.integers(least, most + 1))), of_block)

    def measured(step: int, training_loss: float | None) -> Measurement:
        found = held_out().measure(network)
        status = f"{found['solved']:.3f} of held-out puzzles at once"
        return Measurement(found["solved"], {"step": step, "training_loss": training_loss, **found}, found, status)

    def draw() -> list[TrainingState]:
        held_out()  # now, so that no look at them makes Ctrl-C wait
        return draw_sudokus(config)

    return fit_network(
        network,
        loss,
        draw,
        config.train,
        asdict(config),
        Sudoku.problem,
        run_dir,
        name,
        Measuring(measured, config.train.measure_every),
        config.train.average,
    )


@dataclass(frozen=True)
class HeldOut:
    """Puzzles on which a training is watched, and by whose rules weights are chosen.

    Attributes:
        batch: the puzzles; what holds in their solutions is looked at, and chooses nothing.
        clauses: their rules.
        cell: int64[N], the cell of each candidate.
    """

    batch: GraphBatch
    clauses: Cnf
    cell: Tensor

    @classmethod
    def draw(cls, config: SudokuConfig) -> HeldOut:
        """Draw minimal puzzles that singles do not complete."""
        rng = np.random.default_rng([config.seed, 3])
        states: list[TrainingState] = []
        while len(states) < config.data.held_out:
            state = state_of(minimal_puzzle(config.data.order, rng), labelled=True)
            if state.state.num_candidates:
                states.append(state)
        union = disjoint_union([one.state for one in states])
        batch = batch_of(states, torch.device("cpu"))
        return cls(batch, clauses_of(union), torch.from_numpy(variable_group(union)))

    def measure(self, network: nn.Module) -> dict[str, float]:
        """Return the shares of cells, of clauses and of whole puzzles that the best value of each cell gets right.

        A puzzle is right where all of its clauses hold, for it has one solution.
        """
        scores: Tensor = network(*self.batch.inputs)
        num_cells = int(self.cell.max()) + 1
        highest = torch.full((num_cells,), -torch.inf).scatter_reduce(0, self.cell, scores, "amax")
        best = scores == highest[self.cell]
        satisfied = self.clauses.satisfied(best.numpy()[None])[0]  # [M]
        puzzle = self.batch.state_of.numpy()[np.abs(self.clauses.literals[self.clauses.offset[:-1]]) - 1]  # [M]
        return {
            "cells": float((best.float() * self.batch.holds).sum() / self.batch.holds.sum()),
            "clauses": float(satisfied.mean()),
            "solved": 1 - len(np.unique(puzzle[~satisfied])) / self.batch.num_states,
        }


def label_loss(scores: Tensor, batch: GraphBatch) -> Tensor:
    """Return the cross-entropy of the groups of puzzles whose solution is shown; 0 where none is.

    A puzzle without a label has no candidate that holds, and a group without one counts nothing.
    """
    if not batch.holds.any():
        return scores.new_zeros(())
    return group_cross_entropy(scores, batch.holds, batch.inputs[0], batch.inputs[1], batch.exactly_one)


def draw_sudokus(config: SudokuConfig) -> list[TrainingState]:
    """Draw puzzles, propagated as a search sees them; a function of the seed and ``data``.

    Only the states of a share ``loss.labels`` of the minimal puzzles say what holds in the solution.

    Raises:
        ConfigError: the puzzles leave too little open.
    """
    data = config.data
    rng = np.random.default_rng([config.seed, 1])
    states: list[TrainingState] = []
    for index in trange(data.puzzles, desc="sudokus", unit="puzzle", leave=False, disable=None):
        puzzle = minimal_puzzle(data.order, rng)
        for share in data.easier:
            state = state_of(puzzle.easier(share, rng), index < round(config.loss.labels * data.puzzles))
            if state.state.num_candidates >= data.least_candidates:
                states.append(state)
    if not states:
        raise ConfigError(
            f"data.least_candidates: expected sudokus of order {data.order} with {data.least_candidates} open "
            f"candidates, found none of {data.puzzles}; lower it, or raise data.puzzles"
        )
    return states


def state_of(puzzle: Puzzle, labelled: bool) -> TrainingState:
    """Return a puzzle at the fixpoint of its singles; without a label no candidate is said to hold."""
    state = training_state(puzzle.planted())
    return state if labelled else TrainingState(state.state, np.zeros_like(state.holds), state.possible)
