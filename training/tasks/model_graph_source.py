"""Where the states of a run on solved models come from: a function of the config, the models and the step alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nnsearch.encoding.model_graph.state import ModelGraphState
from nnsearch.errors import PoolError
from training.data.model_states import Drawing, ModelState, labelled
from training.data.solved_models import SolvedModel, digest_of, read_folder, read_store
from training.tasks.model_graph_config import ModelGraphConfig


@dataclass(frozen=True, eq=False)
class SolvedModels:
    """Training and validation states of a run.

    Attributes:
        training: models whose states are drawn.
        held_out: the others.
        validation: fixed states of those.
        digest: of all models.
    """

    config: ModelGraphConfig
    training: Sequence[SolvedModel]
    held_out: Sequence[SolvedModel]
    validation: Sequence[ModelState]
    digest: str

    def step(self, step: int) -> list[ModelState]:
        """Return the states of one optimisation step."""
        rng = np.random.default_rng([self.config.seed, step])
        drawing = _drawing(self.config)
        states: list[ModelState] = []
        size = 0
        for _ in range(_MOST_STATES):
            state = drawing.draw(self.training[int(rng.integers(len(self.training)))], rng)
            if state.state.num_items:
                states.append(state)
                size += len(state.coefficient)
            if size >= self.config.train.edges_per_step:
                break
        return states

    def parity_states(self) -> list[ModelGraphState]:
        """Return a few states, on which ONNX Runtime must agree with torch."""
        return [one.state for one in self.validation[:3]]


_MOST_STATES = 64
"""Of a step: models can have few edges."""


def prepare_models(config: ModelGraphConfig) -> SolvedModels:
    """Read the models, split them, and draw the validation states.

    Raises:
        NNSearchError: a file of the config cannot be used, or there are fewer than two models.
    """
    data = config.data
    if data.models:
        models = read_folder(Path(data.models), relaxed=data.relaxed)
    else:
        models = read_store(data.history, data.family or None, relaxed=data.relaxed)
    if len(models) < 2:
        raise PoolError(
            f"{data.models or data.history}: expected 2 or more solved models, one of them held out, got {len(models)}"
        )
    order = np.random.default_rng(config.seed).permutation(len(models)).tolist()
    count = min(len(models) - 1, max(1, round(data.held_out * len(models))))
    held_out, training = [models[place] for place in order[:count]], [models[place] for place in order[count:]]
    validation = [state for number, model in enumerate(held_out) for state in _validation(config, number, model)]
    if not validation:
        raise PoolError(
            f"{data.models or data.history}: expected models with something to decide, groups alone decide all of the "
            "held-out ones; use no network"
        )
    return SolvedModels(config, training, held_out, validation, digest_of(models))


def _validation(config: ModelGraphConfig, number: int, model: SolvedModel) -> list[ModelState]:
    """Return the root of a model, and states in which its best solution is decided in part."""
    rng = np.random.default_rng([config.seed, 2**31, number])
    weights, graph = model.weights(config.data.temperature), model.encoding.graph
    shares = np.linspace(0, config.data.deepest, config.data.validation_states + 1)[:-1]
    states = []
    for share in shares:
        assigned = (rng.random(graph.num_variables) < share) & (np.diff(graph.offset) > 0)
        states.append(labelled(model, 0, assigned, weights, 0.0))
    return [state for state in states if state.state.num_items]


def _drawing(config: ModelGraphConfig) -> Drawing:
    data, loss = config.data, config.loss
    knows_rows = data.knowledge == "rows" and loss.refuted > 0
    return Drawing(data.temperature, data.root, data.deepest, loss.negatives, knows_rows)
