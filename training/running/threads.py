"""How many threads torch computes with."""

from __future__ import annotations

from pathlib import Path

import torch

from nnsearch.processors import usable_cpus

_CGROUP = Path("/sys/fs/cgroup")


def usable_cores(cgroup: Path = _CGROUP) -> int:
    """Return how many cores this process may use, at least 1: its affinity, and the quota of its container.

    Args:
        cgroup: where the kernel shows the quota.
    """
    cores = usable_cpus()
    for files in (["cpu.max"], ["cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"]):  # of the two versions of cgroups
        try:
            quota, period = " ".join((cgroup / file).read_text() for file in files).split()
            cores = min(cores, int(quota) // int(period)) if quota not in ("max", "-1") else cores
        except (OSError, ValueError):
            continue  # not this version
    return max(cores, 1)


def set_threads(threads: int) -> None:
    """Set torch's threads; 0 is one for each usable core, or what ``OMP_NUM_THREADS`` says, as torchrun sets it."""
    torch.set_num_threads(threads or min(torch.get_num_threads(), usable_cores()))
