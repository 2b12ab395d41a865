"""Study 2: tasks of the CL-STE paper, with several seeds, on held-out data, beside the published figures."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.records import Job, Record, grouped
from benchmarks.rendering.parts import Cell, Group, Table, TableRow
from benchmarks.studies.cl_ste.tasks.config import TaskConfig
from benchmarks.studies.cl_ste.training.train import fit
from nnsearch.errors import ConfigError
from training.running.fan_out import Needs


def summary(records: Sequence[Record]) -> Group:
    """Return median and range over seeds of each task and measure, on held-out data, beside the published figures."""
    rows = []
    for task, runs in grouped(records, lambda record: str(record["config"]["task"])):
        published: dict[str, Any] = runs[0]["result"].get("published") or {}
        for measure in runs[0]["result"]["measured"]:
            shares = [run["result"]["measured"][measure] for run in runs]
            theirs = published if published.get("measure") == measure else {}
            aim = theirs.get("target")
            cells: list[Cell] = [
                task,
                measure,
                len(shares),
                f"{statistics.median(shares):.4f}",
                f"{min(shares):.4f} to {max(shares):.4f}",
                theirs.get("value") or None,
                f"(aim {aim:.2f})" if aim else None,
                float(f"{statistics.median(run['result']['seconds'] for run in runs):.3g}"),
                theirs.get("seconds") or None,
            ]
            rows.append(TableRow(cells, task))
    table = Table(
        "Held-out data, all seeds",
        ["task", "measure", "seeds", "median", "range", "published", "our aim", "seconds", "published seconds"],
        rows,
        "Seconds of other machines do not compare; they stand beside each other for the order of magnitude.",
    )
    return Group("", [table])


def jobs(tasks: Sequence[TaskConfig], seeds: Sequence[int], runs: Path, threads: int, fresh: bool) -> list[Job]:
    """Return a job for each task and seed; ``fresh`` trains again what has a checkpoint.

    Raises:
        ConfigError: a seed is out of range.
    """
    for seed in seeds:
        if not 0 <= seed < 2**32:
            raise ConfigError(f"--seeds: expected 0 to 4294967295, got {seed}")
    made = []
    for task in tasks:
        settings = asdict(task)
        del settings["published"]
        for seed in seeds:
            config = {"suite": "cl-ste", "task": task.name, "seed": seed, "settings": settings}
            folder = runs / f"{task.name}-{seed}"
            made.append(Job(config, partial(_measure, task, seed, folder, threads, fresh), Needs(cpus=threads)))
    return made


def _measure(task: TaskConfig, seed: int, folder: Path, threads: int, fresh: bool) -> dict[str, Any]:
    torch.set_num_threads(threads)
    if fresh:
        (folder / "checkpoint.pt").unlink(missing_ok=True)
    outcome = fit(task, seed, folder)
    return {
        "measured": {name: round(share, 6) for name, share in outcome.measured.items()},
        "steps": outcome.steps,
        "seconds": round(outcome.seconds, 1),
        "published": asdict(task)["published"],
        "torch": torch.__version__,
    }
