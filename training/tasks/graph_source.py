"""Where the states of a run come from: a function of the config, the pools and the step alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nnsearch.encoding.candidate_graph import GraphState
from nnsearch.errors import PoolError
from nnsearch.output_file import save_npz
from training.data.families import (
    Colourings,
    Family,
    LatinSquares,
    Pool,
    Queens,
    Sudokus,
    latin_square_pool,
    sudoku_pool,
)
from training.data.graph_states import TrainingState, training_state
from training.data.search_labels import read_labels
from training.data.singleton_consistency import singleton_consistent
from training.data.user_model import UserModel, read_user_model
from training.tasks.graph_config import GraphConfig


@dataclass(frozen=True, eq=False)
class GraphData:
    """Training and validation states of a run.

    Attributes:
        families: streams of states of the training solutions.
        shares: float64, their probabilities.
        validation: fixed states per family, of held-out solutions.
        labels: states from searches, if any.
        user_model: the user's model, or None.
    """

    config: GraphConfig
    families: Sequence[Family]
    shares: npt.NDArray[np.float64]
    validation: dict[str, list[TrainingState]]
    labels: list[TrainingState]
    user_model: UserModel | None

    def step(self, step: int) -> list[TrainingState]:
        """Return the states of one optimisation step."""
        data = self.config.data
        rng = np.random.default_rng([self.config.seed, step])
        states: list[TrainingState] = []
        size = 0
        while size < self.config.train.candidates_per_step:
            if self.labels and rng.random() < data.label_share:
                state = self.labels[rng.integers(len(self.labels))]
            else:
                family = self.families[rng.choice(len(self.families), p=self.shares)]
                planted = family.draw(rng, bool(rng.random() < data.tight))
                probed = data.knowledge == "singleton"
                state = training_state(planted, singleton_consistent(planted.graph, planted.alive) if probed else None)
            if state.state.num_candidates >= data.least_candidates:
                states.append(state)
                size += state.state.num_candidates
        return states

    def parity_states(self) -> list[GraphState]:
        """Return a few states of each family, on which ONNX Runtime must agree with torch."""
        return [one.state for states in self.validation.values() for one in states[:3]]


def prepare_graph_data(config: GraphConfig, pool_file: Path) -> GraphData:
    """Sample the pools (or read those that an earlier call left in the file), and draw the validation states.

    Raises:
        NNSearchError: a file of the config cannot be used.
    """
    data = config.data
    user_model = None
    if data.cp_model:
        user_model = read_user_model(Path(data.cp_model), Path(data.history), data.held_out, config.seed)
        training: list[Family] = [user_model.training]
        held_out: list[Family] = [user_model.held_out]
    else:
        pools = _pools(config, pool_file)
        training = _families(config, [{n: s[: _split(s, data.held_out)] for n, s in p.items()} for p in pools])
        held_out = _families(config, [{n: s[_split(s, data.held_out) :] for n, s in p.items()} for p in pools])
    shares = np.array(data.shares or [1.0] * len(training))
    validation = {}
    for index, family in enumerate(held_out):
        rng = np.random.default_rng([config.seed, 2**31, index])
        states: list[TrainingState] = []
        tries = 0
        while len(states) < data.validation_states:
            state = training_state(family.draw(rng, tight=True))
            tries += 1
            if state.state.num_candidates >= data.least_candidates:
                states.append(state)
            elif tries > 1000 + 100 * data.validation_states:
                raise PoolError(
                    f"{family.name}: expected states with {data.least_candidates} open candidates, propagation leaves "
                    f"fewer in {tries} draws; lower data.least_candidates, or use no network: there is little to learn"
                )
        validation[family.name] = states
    labels = read_labels(Path(data.labels)) if data.labels else []
    return GraphData(config, training, shares / shares.sum(), validation, labels, user_model)


def _pools(config: GraphConfig, pool_file: Path) -> list[Pool]:
    data = config.data
    wanted = {LatinSquares.name: data.latin_squares, Sudokus.name: data.sudokus}
    if pool_file.exists():
        with np.load(pool_file) as arrays:
            if set(arrays.files) == {f"{name}-{size}" for name, sizes in wanted.items() for size in sizes}:
                return [{size: arrays[f"{name}-{size}"] for size in sizes} for name, sizes in wanted.items()]
    pools = [
        latin_square_pool(data.latin_squares, data.solutions, config.seed + 1),
        sudoku_pool(data.sudokus, data.solutions, config.seed + 1),
    ]
    of_name = zip(wanted, pools, strict=True)
    save_npz(pool_file, {f"{name}-{size}": solved for name, pool in of_name for size, solved in pool.items()})
    return pools


def _split(solutions: npt.NDArray[np.int64], held_out: float) -> int:
    return len(solutions) - max(1, round(held_out * len(solutions)))


def _families(config: GraphConfig, pools: Sequence[Pool]) -> list[Family]:
    data = config.data
    families: dict[Family, Sequence[int]] = {
        LatinSquares(pools[0]): data.latin_squares,
        Sudokus(pools[1]): data.sudokus,
        Queens(data.queens): data.queens,
        Colourings(data.colours): data.colours,
    }
    return [family for family, sizes in families.items() if sizes]
