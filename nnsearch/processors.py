"""The processors of this machine that this process may use."""

from __future__ import annotations

import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def usable_cpus(cgroup: Path = _CGROUP) -> int:
    """Count the processors that this process may use, at least 1: its affinity, and the quota of its container.

    Args:
        cgroup: Where the kernel shows the quota.
    """
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for files in (["cpu.max"], ["cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"]):  # of the two versions of cgroups
        try:
            quota, period = " ".join((cgroup / file).read_text() for file in files).split()
            cpus = min(cpus, int(quota) // int(period)) if quota not in ("max", "-1") else cpus
        except (OSError, ValueError):
            continue  # not this version
    return max(cpus, 1)
