"""Several processes that train one network together, as torchrun starts them; a process on its own otherwise."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from nnsearch.errors import ConfigError, NNSearchError

Result = TypeVar("Result")

_VARIABLES = frozenset({"RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"})
_PATIENCE = timedelta(days=1)  # the others wait while process 0 samples solutions, measures and exports
_LAST_WORD_SECONDS = 1.0


class LostProcessError(NNSearchError):
    """Another process of the run is gone."""


@dataclass(frozen=True)
class Processes:
    """This process among those that train together: process 0 measures, writes and reports.

    All methods are to be called by all processes in the same order. In a process on its own they cost nothing. The
    local rank, among the processes of this machine, is the number of its CUDA device.
    """

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    connected: bool = False

    @property
    def first(self) -> bool:
        """True for process 0."""
        return self.rank == 0

    def record(self) -> dict[str, int]:
        """What a measurement says about the processes: their number, where there are several."""
        return {"processes": self.count} if self.count > 1 else {}

    def own(self, device: torch.device) -> torch.device:
        """Return the device of this process: with CUDA each has its own.

        Raises:
            ConfigError: there are more processes than CUDA devices.
        """
        if not self.connected or device.type != "cuda":
            return device
        if self.local_rank >= torch.cuda.device_count():
            raise ConfigError(
                f"expected a CUDA device for each process, this machine has {torch.cuda.device_count()}; "
                "lower --nproc-per-node, or use --device cpu"
            )
        torch.cuda.set_device(self.local_rank)
        return torch.device("cuda", self.local_rank)

    def together(self, work: Callable[[], Result]) -> Result:
        """Run work that may be refused on every process; if it fails on one, all end and process 0 says why.

        Raises:
            NNSearchError: on process 0, when it failed on any; so does ``OSError`` of its own.
            SystemExit: with code 2 on the others.
        """
        if not self.connected:
            return work()
        failure: NNSearchError | OSError | None = None
        try:
            result = work()
        except (NNSearchError, OSError) as error:
            failure = error
        messages: list[str | None] = [None] * self.count
        with _others():
            dist.all_gather_object(messages, None if failure is None else str(failure))
        failed = [rank for rank, message in enumerate(messages) if message is not None]
        if not failed:
            return result
        if not self.first:
            time.sleep(_LAST_WORD_SECONDS)  # torchrun ends all as soon as one has ended
            raise SystemExit(2)
        raise failure or NNSearchError(f"process {failed[0]}: {messages[failed[0]]}")

    def in_turn(self, work: Callable[[], Result]) -> Result:
        """Run work on process 0 and then on the others, which find the files that it wrote; fails as `together`."""
        if not self.connected:
            return work()
        first = self.together(work if self.first else _nothing)
        other = self.together(_nothing if self.first else work)
        result = first if self.first else other
        assert result is not None
        return result

    def from_first(self, work: Callable[[], Result]) -> Result:
        """Run work on process 0 alone and return its result everywhere; fails as `together`."""
        if not self.connected:
            return work()
        box = [self.together(work if self.first else _nothing)]
        with _others():
            dist.broadcast_object_list(box, src=0)
        result = box[0]
        assert result is not None
        return result

    def gather(self, item: Result) -> list[Result]:
        """Return the items of all processes, by rank."""
        if not self.connected:
            return [item]
        items = [item] * self.count
        with _others():
            dist.all_gather_object(items, item)
        return items

    def any(self, flag: bool) -> bool:
        """Tell whether the flag is True on any process."""
        if not self.connected:
            return flag
        raised = torch.tensor([int(flag)])  # on the CPU, so that a GPU need not wait for it
        with _others():
            dist.all_reduce(raised, dist.ReduceOp.MAX)
        return bool(raised.item())

    def wait(self) -> None:
        """Go on when all processes are here."""
        self.any(False)

    def total(self, part: Tensor) -> Tensor:
        """Return the sum over all processes."""
        if not self.connected:
            return part
        whole = part.clone()
        with _others():
            dist.all_reduce(whole)
        return whole

    def part(self, batch: Tensor) -> tuple[Tensor, float]:
        """Return the entries of this process, and their share of the batch.

        A process for which a batch smaller than the number of processes has nothing left gets one entry, whose share is
        0: it has to take part in the step.
        """
        mine = batch[self.rank :: self.count]
        return (mine, len(mine) / len(batch)) if len(mine) else (batch[:1], 0.0)

    def parallel(self, network: nn.Module, device: torch.device) -> nn.Module:
        """Return a network with the same weights whose gradients are exchanged when :meth:`backward` runs.

        Parameters that no process needed in a step keep the gradient None, as in a process on its own. Looking for
        them also keeps DDP from changing the order of its sums after the first step, so that a resumed run, for which
        another step is the first, adds up in the same order as one that was not stopped.
        """
        if not self.connected:
            return network
        return DistributedDataParallel(
            _WithUnused(network).to(device),
            device_ids=[device] if device.type == "cuda" else None,
            find_unused_parameters=True,
        )

    def backward(self, loss: Tensor) -> None:
        """Give every process the gradient of the sum of all losses."""
        # DDP divides the sum of the gradients by the number of processes.
        (loss * self.count if self.connected else loss).backward()  # type: ignore[no-untyped-call]


ALONE = Processes()
"""A process on its own."""


@contextmanager
def joined() -> Iterator[Processes]:
    """Join the processes that torchrun started with this one, if it did; leave when all are done.

    A process other than the first ends there: what comes after is for the first, whose exit code tells how it went.
    """
    if not os.environ.keys() >= _VARIABLES:
        yield ALONE
        return
    rank, count, local_rank = (int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
    processes = Processes(rank, count, local_rank, connected=True)
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, timeout=_PATIENCE)
    try:
        yield processes
        processes.wait()
    except KeyboardInterrupt:
        if processes.first:
            raise
        raise SystemExit(130) from None
    # Not after an error: the others may be gone, and to leave is to wait for them.
    dist.destroy_process_group()
    if not processes.first:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(0)  # threads of torch may still run, which sometimes aborts an ordinary end


class _WithUnused(nn.Module):
    """A network and a parameter that it does not use: DDP warns when it looks for such and finds none."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, *inputs: object) -> object:
        return self.network(*inputs)


def _nothing() -> None:
    return None


@contextmanager
def _others() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # what torch raises when a connection breaks
        reason = str(error).splitlines()[0][:200]
        raise LostProcessError(f"another process of this run is gone ({reason})") from None
