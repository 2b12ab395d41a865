"""The partial Latin squares of a training, drawn once: what differs between trainings is what is asked about them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from benchmarks.studies.label_free.training.config import LabelFreeConfig
from nnsearch.errors import PoolError
from training.data.families import LatinSquares, latin_square_pool
from training.data.graph_states import TrainingState, training_state
from training.data.singleton_consistency import singleton_consistent

_TRIES = 100  # draws for one square with enough open candidates


def draw_squares(config: LabelFreeConfig) -> list[TrainingState]:
    """Draw the partial squares, propagated as a search sees them; a function of the seed and ``data``.

    ``possible`` of a state is probed for ``sbr`` only, which takes most of the time; it says nothing for the others.

    Raises:
        PoolError: partial squares of these orders leave too little open.
    """
    data = config.data
    family = LatinSquares(latin_square_pool(data.orders, data.solutions, config.seed + 1))
    probed = config.loss.knowledge == "sbr"
    rng = np.random.default_rng([config.seed, 1])
    states: list[TrainingState] = []
    with tqdm(total=data.squares, desc="partial squares", unit="square", leave=False, disable=None) as bar:
        for _ in range(_TRIES * data.squares):
            planted = family.draw(rng, tight=bool(rng.random() < data.tight))
            state = training_state(planted)
            if state.state.num_candidates < data.least_candidates:
                continue
            if probed:
                state = training_state(planted, singleton_consistent(planted.graph, planted.alive))
            states.append(state)
            bar.update()
            if len(states) == data.squares:
                return states
    raise PoolError(
        f"data.least_candidates: expected partial squares of orders {', '.join(map(str, data.orders))} with "
        f"{data.least_candidates} open candidates, found {len(states)} of {data.squares}; lower it"
    )


def draw_batch(states: Sequence[TrainingState], candidates: int, rng: np.random.Generator) -> list[TrainingState]:
    """Return random states, with replacement, until they have so many candidates together."""
    batch: list[TrainingState] = []
    size = 0
    while size < candidates:
        batch.append(states[int(rng.integers(len(states)))])
        size += batch[-1].state.num_candidates
    return batch
