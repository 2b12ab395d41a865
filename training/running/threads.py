"""How many threads torch computes with."""

from __future__ import annotations

import torch

from nnsearch.processors import usable_cpus


def set_threads(threads: int) -> None:
    """Set torch's threads; 0 is one for each usable CPU, or what ``OMP_NUM_THREADS`` says, as torchrun sets it."""
    torch.set_num_threads(threads or min(torch.get_num_threads(), usable_cpus()))
