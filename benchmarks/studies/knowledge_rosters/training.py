"""The trainings: one network, the same plans, states and steps; what differs is what the loss knows of the rows."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnsearch.scorers.onnx import OnnxScorer
from training.config import config_of
from training.data.solved_models import model_files, solutions_file
from training.export.export import export_model_graph, model_graph_metadata
from training.running.network_file import file_digest
from training.tasks.model_graph import fit_model_graph
from training.tasks.model_graph_config import ModelGraphConfig

KNOWLEDGE = ("none", "sbr", "ste")
"""Cross-entropy with the past plans alone; and semantic-based regularisation with what the bounds of the rows rule out;
or the rows that the likelier values violate, through a straight-through estimator."""

_HELD_OUT = 10
"""Most past plans that are kept from training to choose the best weights; a fifth of few plans."""


@dataclass(frozen=True)
class Budget:
    """What each training has.

    Attributes:
        steps: optimisation steps.
        edges: of the states of a step together.
        relaxed: whether networks are told what the linear relaxation says.
        sbr: weight of the SBR term.
        ste: weight of the straight-through term.
    """

    steps: int
    edges: int
    relaxed: bool
    sbr: float
    ste: float

    def config(self, folder: Path, plans: int, seed: int, knowledge: str) -> ModelGraphConfig:
        """Return the config of a training on a folder of so many plans."""
        table: dict[str, Any] = {
            "name": f"rosters-{plans}-{knowledge}-{seed}",
            "seed": seed,
            "data": {
                "models": str(folder),
                "relaxed": self.relaxed,
                "held_out": min(0.2, _HELD_OUT / plans),
                "validation_states": 2,
                "knowledge": "rows" if knowledge == "sbr" else "none",
            },
            "loss": {"refuted": self.sbr, "straight_through": self.ste if knowledge == "ste" else 0.0},
            "train": {
                "steps": self.steps,
                "edges_per_step": self.edges,
                "evaluate_every": max(1, self.steps // 8),
                "patience": 0,
                "device": "cpu",
                "threads": 1,
            },
        }
        return config_of(ModelGraphConfig, table)


def first_plans(every: Path, count: int, folder: Path) -> Path:
    """Copy the first plans of a folder into one of their own."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in model_files(every)[:count]:
        for one in (file, solutions_file(file)):
            if not (folder / one.name).exists():
                shutil.copy2(one, folder / one.name)
    return folder


def train(config: ModelGraphConfig, runs: Path) -> tuple[OnnxScorer, dict[str, Any]]:
    """Train as ``python -m training fit --models`` does, or go on with it; return the network and what it took.

    Raises:
        KeyboardInterrupt: Ctrl-C; the same call goes on.
    """
    outcome = fit_model_graph(config, runs / config.name)
    if outcome.interrupted:
        raise KeyboardInterrupt
    file = runs / f"{config.name}.onnx"
    export_model_graph(outcome.network, model_graph_metadata(config, outcome), outcome.data.parity_states(), file)
    return OnnxScorer(file, "cpu"), {
        "seconds": round(outcome.seconds, 1),
        "best_step": outcome.best_step,
        "measured": {name: round(value, 4) for name, value in outcome.measured.items()},
        "model_sha256": file_digest(file),
    }
