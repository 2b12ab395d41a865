"""From a config to what the trainer consumes: problem, examples on the device, validation states."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from tqdm import tqdm

from nnsearch.errors import ConfigError, PoolError
from nnsearch.problems.latin_square.problem import LatinSquare
from training.data.deconstruction import Examples, deconstruct
from training.data.dense_problems import DenseProblem, random_solutions
from training.data.feasibility import FeasibilityStates, make_states, states_of_examples
from training.data.pools.latin_squares import sample_pool
from training.data.pools.pool import Pool, read_pool
from training.tasks.dense_config import DenseConfig


@dataclass(frozen=True)
class TrainingData:
    """What one run learns from and is validated on; no solution is on both sides, unless the config splits by example.

    Then alone ``held_out`` has the examples from the other side. Solutions are distinct ones on both sides.
    """

    problem: DenseProblem
    examples: Examples
    held_out: Examples | None
    validation: FeasibilityStates
    num_solutions: int
    solutions_sha256: str


def sample_solutions(problem: DenseProblem, count: int, seed: int) -> Pool:
    """Sample solutions with a progress bar: uniform ones of a Latin square, else random ones."""
    if isinstance(problem, LatinSquare):
        return sample_pool(problem.order, count, seed)
    drawn = tqdm(random_solutions(problem, count, seed), total=count, desc="pool", unit=" solutions")
    return Pool(np.stack(list(drawn)), problem.first_value, problem.num_values)


def prepare_dense_data(config: DenseConfig, pool_file: Path) -> TrainingData:
    """Build everything that a run needs, the same for the same config; the sampled pool is kept in a file.

    Raises:
        ConfigError: fewer than two distinct solutions, none left for one side of the split, or fewer examples than
            are asked for.
        PoolError: the user's file of solutions is malformed.
    """
    problem = config.problem.dense()
    source = Path(config.pool.file) if config.pool.file else pool_file
    if config.pool.file or pool_file.exists():
        pool = read_pool(source, problem.num_variables, problem.first_value, problem.num_values)
    else:
        pool = sample_solutions(problem, config.pool.solutions, config.pool.seed)
        pool.save(pool_file)
    solutions = pool.distinct()[: config.pool.solutions]
    _check_solutions(solutions, problem, source)
    split_rng, order_rng, state_rng, example_rng = np.random.default_rng(config.seed).spawn(4)
    shuffled = solutions[split_rng.permutation(len(solutions))]
    by_example = config.data.split == "example"
    every = deconstruct(shuffled, config.data.passes, order_rng) if by_example else None
    whole = len(solutions if every is None else every)
    held_out = round(whole * config.data.held_out)
    if len(solutions) < 2 or not 0 < held_out < whole:
        raise ConfigError(
            f"{len(solutions)} distinct solutions cannot be split with data.held_out = {config.data.held_out}: "
            "one side is empty; use more solutions"
        )
    other: Examples | None = None
    if every is None:
        examples = deconstruct(shuffled[held_out:], config.data.passes, order_rng)
        validation = make_states(problem, shuffled[:held_out], config.data.validation_states, state_rng)
    else:
        index = split_rng.permutation(whole)
        examples, other = every.take(np.sort(index[held_out:])), every.take(np.sort(index[:held_out]))
        validation = states_of_examples(problem, other, config.data.validation_states, state_rng)
    if config.data.examples > len(examples):
        raise ConfigError(f"data.examples: expected {len(examples)} or fewer, got {config.data.examples}")
    if config.data.examples:
        examples = examples.take(np.sort(example_rng.permutation(len(examples))[: config.data.examples]))
    digest = hashlib.sha256(solutions.tobytes()).hexdigest()
    return TrainingData(problem, examples, other, validation, len(solutions), digest)


def _check_solutions(solutions: npt.NDArray[np.uint8], problem: DenseProblem, source: Path) -> None:
    """Refuse a pool of anything but solutions: a network would learn from it without complaint."""
    if not isinstance(problem, LatinSquare):
        none = np.zeros(problem.num_variables, dtype=np.int64)
        instance = problem.instance("", none, none > 0)
        values = solutions.astype(np.int64) + problem.first_value
        others = np.flatnonzero([not instance.is_solution(row.tolist()) for row in values])
        if len(others):
            raise PoolError(
                f"{source}: expected solutions of {problem.name} of order {problem.order}; {len(others)} of "
                f"{len(values)} distinct ones are not, the first is {values[others[0]].tolist()}"
            )
        return
    squares = solutions.reshape(len(solutions), problem.order, problem.order)
    expected = np.arange(problem.order)
    right = (np.sort(squares, axis=1) == expected[:, None]) & (np.sort(squares, axis=2) == expected)
    wrong = np.flatnonzero(~right.all(axis=(1, 2)))
    if len(wrong):
        square = (squares[wrong[0]] + problem.first_value).tolist()
        raise PoolError(
            f"{source}: expected Latin squares of order {problem.order}; {len(wrong)} of {len(solutions)} distinct "
            f"solutions are not, the first is {square}"
        )


class ExampleBatches:
    """Examples held compactly on a device and expanded batch by batch, see :class:`.DenseLossConfig` for ``target``."""

    def __init__(self, examples: Examples, num_values: int, target: str, device: torch.device) -> None:
        self._num_variables = examples.num_variables
        self._num_values = num_values
        self._target = target
        self._solutions = torch.from_numpy(examples.solutions).to(device)
        self._solution = torch.from_numpy(examples.solution).to(device)
        self._assigned = torch.from_numpy(examples.assigned).to(device)
        self._removed = torch.from_numpy(examples.target).to(device)
        self._bit = torch.arange(8, dtype=torch.uint8, device=device)
        self._offset = torch.arange(self._num_variables, device=device) * num_values

    def __len__(self) -> int:
        return len(self._solution)

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Expand examples int64[B], on the device, to ``assignment`` and ``target``, float32[B, V * D] each."""
        size = len(index)
        bits = (self._assigned[index].unsqueeze(2) >> self._bit) & 1
        assigned = bits.reshape(size, -1)[:, : self._num_variables].to(torch.float32)  # [B, V]
        candidate = self._solutions[self._solution[index].long()].long() + self._offset  # [B, V]
        empty = torch.zeros(size, self._num_variables * self._num_values, device=index.device)
        assignment = empty.scatter(1, candidate, assigned)
        if self._target == "single":
            removed = candidate.gather(1, self._removed[index].long().unsqueeze(1))  # [B, 1]
            target = empty.scatter(1, removed, 1.0)
        else:
            remaining = 1 - assigned
            target = empty.scatter(1, candidate, remaining / remaining.sum(1, keepdim=True))
        return assignment, target
