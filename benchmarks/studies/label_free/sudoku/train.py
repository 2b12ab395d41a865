"""Training of one network on sudokus: L_cnf + L_bound after every block, a random number of blocks in each step."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import trange

from benchmarks.studies.label_free.sudoku.config import SudokuConfig
from benchmarks.studies.label_free.sudoku.puzzles import Puzzle, candidate_graph, minimal_puzzle
from benchmarks.studies.label_free.training.clauses import clauses_of, variable_group
from benchmarks.studies.label_free.training.knowledge import clause_loss
from benchmarks.studies.label_free.training.partial_squares import draw_batch
from benchmarks.studies.label_free.training.train import untrained_network
from nnsearch.encoding.candidate_graph import disjoint_union
from nnsearch.errors import ConfigError
from nnsearch.inference.metadata import ModelMetadata
from nnsearch.problems.sudoku.problem import Sudoku
from training.data.graph_states import GraphBatch, TrainingState, batch_of, planted_state, training_state
from training.export.export import TRAINED_KINDS, export_graph
from training.loop import Measurement, Measuring, Task, Training
from training.losses.candidate_graph import group_cross_entropy
from training.losses.cnf import Cnf
from training.schedule import warmed_cosine
from training.tasks.graph import block_loss

_EXAMPLES = 3  # states on which the exported network is compared with torch


@dataclass(frozen=True)
class SudokuOutcome:
    """What a training ended with: files by number of blocks, how many numbers were trained, seconds of all parts."""

    files: dict[int, Path]
    parameters: int
    steps: int
    seconds: float


def fit_sudoku(config: SudokuConfig, run_dir: Path, name: str, blocks: Sequence[int]) -> SudokuOutcome:
    """Train a network and export it with these numbers of blocks, or go on where an earlier call stopped.

    Raises:
        ConfigError: the folder holds another training, or the puzzles leave too little open.
        NNSearchError: the exported network differs from torch.
        KeyboardInterrupt: Ctrl-C was pressed; the checkpoint holds what was done.
    """
    torch.manual_seed(config.seed)
    network = untrained_network(config.network)
    train = config.train
    states: list[TrainingState] = []

    def loss(_: nn.Module, step: int) -> Tensor:
        rng = np.random.default_rng([config.seed, 2, step])  # a resumed training draws the same
        drawn = draw_batch(states, train.candidates_per_step, rng)
        batch = batch_of(drawn, torch.device("cpu"))
        depth = int(rng.integers(min(train.least_blocks, config.network.blocks), config.network.blocks + 1))
        of_clauses = clause_loss(disjoint_union([one.state for one in drawn]), config.loss.bound)

        def of_block(scores: Tensor) -> Tensor:
            return of_clauses(scores) + label_loss(scores, batch)

        return block_loss(network.all_blocks(*batch.inputs, blocks=depth), of_block)

    def measured(step: int, training_loss: float | None) -> Measurement:
        found = held_out.measure(network)
        status = f"{found['solved']:.3f} of held-out puzzles at once"
        return Measurement(found["cells"], {"step": step, "training_loss": training_loss, **found}, found, status)

    training = Training(
        Task(
            name=name,
            network=network,
            optimizer=torch.optim.Adam(network.parameters(), lr=train.learning_rate),
            rate=warmed_cosine(train.learning_rate, train.steps),
            steps=train.steps,
            loss=loss,
            clip=train.clip,
            measuring=Measuring(measured, train.measure_every),
            identity=json.dumps(asdict(config)),
            stranger="another training; choose another --runs folder, or remove it",
        ),
        run_dir,
    )
    held_out = HeldOut.draw(config)
    states += draw_sudokus(config)  # takes a while: only now is it known that the folder holds no other training
    trained = training.run()
    if not trained.finished:
        raise KeyboardInterrupt
    metadata = ModelMetadata(
        "candidate_graph",
        Sudoku.problem,
        training={"config": json.loads(json.dumps(asdict(config))), "steps": trained.step},
        kinds=TRAINED_KINDS,
    )
    examples = [one.state for one in states[:_EXAMPLES]]
    files = {number: run_dir / f"{name}-{number}-blocks.onnx" for number in blocks}
    for number, file in files.items():
        network.blocks = number
        export_graph(network.eval(), metadata, examples, file)
    return SudokuOutcome(
        files, sum(parameter.numel() for parameter in network.parameters()), trained.step, trained.seconds
    )


@dataclass(frozen=True)
class HeldOut:
    """Puzzles on which a training is watched; nothing is chosen by them.

    Attributes:
        batch: the puzzles, with what holds in their solutions.
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
        """Return the shares of cells, of clauses and of whole puzzles that the best value of each cell gets right."""
        scores: Tensor = network(*self.batch.inputs)
        num_cells = int(self.cell.max()) + 1
        highest = torch.full((num_cells,), -torch.inf).scatter_reduce(0, self.cell, scores, "amax")
        best = scores == highest[self.cell]
        wrong = (best != (self.batch.holds > 0)).float()
        of_puzzle = torch.zeros(self.batch.num_states).scatter_add(0, self.batch.state_of, wrong)
        return {
            "cells": float((best.float() * self.batch.holds).sum() / self.batch.holds.sum()),
            "clauses": float(self.clauses.satisfied(best.numpy()[None]).mean()),
            "solved": float((of_puzzle == 0).float().mean()),
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
    state = training_state(planted_state(candidate_graph(puzzle.order), puzzle.solution, puzzle.given))
    return state if labelled else TrainingState(state.state, np.zeros_like(state.holds), state.possible)
