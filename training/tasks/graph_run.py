"""A run that trains a network on graphs, of candidates or of models: how it begins, and what it ends with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import torch
from torch import nn

from training.loop import Task, Training, TrainingProgress
from training.running.distributed import Processes
from training.running.threads import set_threads
from training.tasks.dense import choose_device
from training.tasks.graph_config import GraphConfig
from training.tasks.model_graph_config import ModelGraphConfig
from training.tasks.run_folder import check_claim, claim

NetworkT = TypeVar("NetworkT", bound=nn.Module)
DataT = TypeVar("DataT")
MeasuredT = TypeVar("MeasuredT")


@dataclass(frozen=True)
class Outcome(Generic[NetworkT, DataT, MeasuredT]):
    """What a run ended with: the network with the weights of the best measurement, on the CPU, in evaluation mode.

    ``measured`` is that measurement, as the task's ``measure`` returns it, empty if Ctrl-C came before the first one;
    the others are as those of :class:`training.tasks.dense.DenseOutcome`.
    """

    network: NetworkT
    data: DataT
    measured: MeasuredT
    steps: int
    best_step: int
    seconds: float
    interrupted: bool

    @classmethod
    def of(cls, network: NetworkT, data: DataT, progress: TrainingProgress) -> Outcome[NetworkT, DataT, MeasuredT]:
        """Return what a run has reached; its best weights go into the network."""
        network.load_state_dict(progress.best["weights"])
        return cls(
            network=network.cpu().eval(),
            data=data,
            measured=progress.best["entry"].get("measured", {}),
            steps=progress.step,
            best_step=progress.best["step"],
            seconds=progress.seconds,
            interrupted=not progress.finished,
        )


def run_in_folder(
    config: GraphConfig | ModelGraphConfig,
    run_dir: Path,
    processes: Processes,
    prepare: Callable[[], DataT],
    new_network: Callable[[DataT], NetworkT],
    task_of: Callable[[DataT, NetworkT, torch.device], Task],
) -> tuple[NetworkT, DataT, TrainingProgress]:
    """Train in a folder, which belongs to the config from then on, or go on there.

    Args:
        config: what the folder is claimed for.
        run_dir: the folder.
        processes: those that train together.
        prepare: reads the data.
        new_network: makes the network, after torch has the config's seed.
        task_of: says how the network, which is on the device, is trained.

    Raises:
        ConfigError: the folder holds a run with another config, or CUDA is asked for and absent.
        NNSearchError: a file that the config names cannot be used.
    """

    def prepared() -> tuple[NetworkT, DataT, Training]:
        device = processes.own(choose_device(config.train.device))
        set_threads(config.train.threads)
        check_claim(run_dir, config)
        data = prepare()
        if processes.first:
            claim(run_dir, config)  # not before its files were read: a wrong name must not spoil the folder
        torch.manual_seed(config.seed)
        network = new_network(data).to(device)
        return network, data, Training(task_of(data, network, device), run_dir, processes)

    network, data, training = processes.in_turn(prepared)
    return network, data, training.run()
