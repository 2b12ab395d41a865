"""What one of two processes does in ``test_distributed.py``."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

from nnsearch.errors import ConfigError
from training.__main__ import main as command_line
from training.config import config_of, read_table
from training.data.graph_states import TrainingState, batch_of
from training.networks.mlp import MLP
from training.running.distributed import ALONE, Processes, joined
from training.tasks.dense import dense_loss, fit, load_propagator
from training.tasks.dense_config import read_config
from training.tasks.dense_examples import prepare_dense_data
from training.tasks.graph import _AllBlocks, block_weights, fit_graph, graph_loss, make_network
from training.tasks.graph_config import GraphConfig
from training.tasks.graph_share import GraphShare, GraphShares, deal
from training.tasks.graph_source import prepare_graph_data

CPU = torch.device("cpu")


class Killed(BaseException):
    """Stands for a process that is gone: nothing catches it."""


def train_until_killed(config: GraphConfig, folder: Path, processes: Processes, step: int) -> None:
    """Leave what a run leaves whose processes die in some step."""
    at = GraphShares.at

    def dying(shares: GraphShares, asked: int) -> GraphShare:
        if asked == step:
            raise Killed
        return at(shares, asked)

    with patch.object(GraphShares, "at", dying), contextlib.suppress(Killed):
        fit_graph(config, folder, processes)


def gradients(network: nn.Module) -> dict[str, Tensor | None]:
    return {name: weight.grad for name, weight in network.named_parameters()}


def dense_gradients(config_file: Path, folder: Path, processes: Processes, size: int) -> dict[str, Tensor | None]:
    """The gradient of one batch of some size; the same examples for any number of processes."""
    config = read_config(config_file, {})
    data = prepare_dense_data(config, folder / "mlp" / "pool.npz")
    torch.manual_seed(3)
    assignment = torch.rand(size, data.problem.num_candidates).round()
    target = torch.softmax(torch.randn(size, data.problem.num_candidates), dim=1)
    network = MLP(data.problem.num_candidates, (8,))
    index, share = processes.part(torch.arange(size))
    parallel = processes.parallel(network, CPU)  # has to live until backward
    scores = parallel(assignment[index])
    propagator = load_propagator("full", data.problem)
    processes.backward(share * dense_loss(scores, assignment[index], target[index], config.loss, propagator))
    return gradients(network)


def random_network(config: GraphConfig, folder: Path) -> tuple[_AllBlocks, list[TrainingState]]:
    data = prepare_graph_data(config, folder / "graph" / "pool.npz")
    torch.manual_seed(4)
    network = make_network(config, data)
    for weight in network.parameters():
        nn.init.normal_(weight, std=0.5)
    return _AllBlocks(network), [state for step in range(5) for state in data.step(step)]


def graph_gradients(
    config_file: Path, folder: Path, processes: Processes, size: int, depth: int
) -> dict[str, Tensor | None]:
    """The gradient of some states; the same ones for any number of processes."""
    config = config_of(GraphConfig, read_table(config_file, {}), config_file)
    network, states = random_network(config, folder)
    share: GraphShare = deal(states[:size], processes.count)[processes.rank]
    batch = batch_of(share.states, CPU)
    parallel = processes.parallel(network, CPU)
    blocks = parallel(batch, depth)
    losses = [
        weight * graph_loss(scores, batch, config.loss, share.shares)
        for scores, weight in zip(blocks, block_weights(depth), strict=True)
    ]
    processes.backward(torch.stack(losses).sum())
    return gradients(network)


def all_gradients(mlp: Path, graph: Path, folder: Path, processes: Processes = ALONE) -> dict[str, Any]:
    dense = {f"dense {size}": dense_gradients(mlp, folder, processes, size) for size in (1, 2, 5)}
    return dense | {
        f"graph {size} {depth}": graph_gradients(graph, folder, processes, size, depth)
        for size in (1, 2, 5)
        for depth in (1, 2)
    }


def refuse(on_rank: int, processes: Processes) -> str:
    """Say how an error of one process looks on this one."""

    def work() -> int:
        if processes.rank == on_rank:
            raise ConfigError("no")
        return 1

    try:
        processes.together(work)
    except ConfigError as error:
        return f"ConfigError {error}"
    except Exception as error:
        return f"{type(error).__name__} {error}"
    except SystemExit as error:
        return f"SystemExit {error}"
    return "nothing"


def as_rank(rank: int, port: int, said: str, function: Callable[..., Any], arguments: Sequence[Any]) -> None:
    """Call a function as one of two processes that torchrun started; what it says goes to files of a folder."""
    for descriptor, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(Path(said, f"{rank}.{name}"), os.O_WRONLY | os.O_CREAT), descriptor)
    address = {"MASTER_ADDR": "localhost", "MASTER_PORT": port, "WORLD_SIZE": 2}
    os.environ |= {key: str(value) for key, value in {**address, "RANK": rank, "LOCAL_RANK": rank}.items()}
    sys.exit(function(*arguments))


def fit_with_quick_export(*arguments: str) -> int:
    """Run ``training fit``; for each export of a dense network, which takes seconds, its file has one more byte."""

    def exported(*given: Any) -> None:
        with given[-1].open("ab") as file:
            file.write(b"x")

    with patch("training.cli.fit.export", exported):
        return command_line(["fit", *arguments])


def train(mlp: Path, graph: Path, folder: Path) -> None:
    """Train both networks without a stop, and one until it dies; what this process saw goes to FOLDER/RANK.pt."""
    torch.set_num_threads(1)
    with joined() as processes:
        rank = processes.rank
        graph_config = config_of(GraphConfig, read_table(graph, {}), graph)
        dense = fit(read_config(mlp, {}), folder / "mlp", processes)
        on_graph = fit_graph(graph_config, folder / "graph", processes)
        train_until_killed(graph_config, folder / "killed", processes, step=15)
        found = {
            "rank": rank,
            "count": processes.count,
            "any": [processes.any(False), processes.any(rank == 1)],
            "total": float(processes.total(torch.tensor(rank + 1.0))),
            "gather": processes.gather(rank),
            "from_first": processes.from_first(lambda: f"by {rank}"),
            "in_turn": processes.in_turn(lambda: f"by {rank}"),
            "dense": dense.network.state_dict(),
            "graph": on_graph.network.state_dict(),
            "gradients": all_gradients(mlp, graph, folder, processes),
            "refused": [refuse(0, processes), refuse(1, processes)],
        }
        torch.save(found, folder / f"{rank}.pt")
