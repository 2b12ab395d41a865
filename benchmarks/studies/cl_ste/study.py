"""Study 2: tasks of the CL-STE paper, with several seeds, on held-out data, beside the published figures."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from benchmarks.records import Job, Record
from benchmarks.studies.cl_ste import cost as study_cl_ste_cost
from benchmarks.studies.cl_ste.training.config import TaskConfig, read_task, task_names
from benchmarks.studies.cl_ste.training.train import fit
from benchmarks.suite_command import add_suite
from nnsearch.errors import ConfigError
from training.running.fan_out import Needs
from training.running.output_file import check_output_folder

_RUNS = Path("runs/study-cl-ste")

_CL_STE = """\
Logical constraints through straight-through estimators: Yang, Lee and Park, ICML 2022.

Each task has a committed config (benchmarks/studies/cl_ste/training/configs), and each seed draws its own data, split
and weights. The last weights are measured on held-out pictures, boards or grids; nothing is chosen by them. The
published figure of a record is on other pictures (MNIST, HASY) or boards, for orientation. Seconds are of training
alone.

    python -m benchmarks study cl-ste --task member-3 add2x2 --seeds 1 2 3"""

_COST = """\
What a step of the straight-through loss costs beside the semantic loss, which counts models exactly (PySDD).

Both take the same clauses and the same batch of probabilities, forward and backward, without a network. The diagram of
the semantic loss is compiled once, in a process of its own that may take --compile-seconds; what takes longer is
recorded as not compiled."""

_RESUME = """\
Each result is appended to --output as one JSON line as soon as it is measured. The same command again measures only
what the file does not hold yet, and goes on with a task that was interrupted."""


def add_commands(studies: Any) -> None:
    """Add ``cl-ste`` and ``cl-ste-cost`` to the sub-commands of ``study``."""
    command = _command(studies, "cl-ste", "logical constraints through straight-through estimators", _CL_STE)
    command.set_defaults(jobs=_cl_ste_jobs, table=table)
    add = command.add_argument
    names = ", ".join(task_names())
    add("--task", "--tasks", nargs="+", required=True, metavar="TASK", help=f"{names}, or a .toml file")
    add("--seeds", type=int, nargs="+", default=[1, 2, 3], metavar="N", help="a run for each (default: 1 2 3)")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="override a key, such as train.epochs=1")
    add("--runs", type=Path, default=_RUNS, metavar="DIR", help="checkpoints (default: %(default)s)")

    command = _command(studies, "cl-ste-cost", "cost of the straight-through loss beside exact counting", _COST)
    command.set_defaults(jobs=_cost_jobs, table=study_cl_ste_cost.table, draw=study_cl_ste_cost.plot)
    add = command.add_argument
    add("--batch", type=int, default=16, metavar="B", help="examples of a step (default: %(default)s)")
    add("--repeats", type=int, default=10, metavar="N", help="timed steps, the median counts (default: %(default)s)")
    add("--seed", type=int, default=1, help="of the probabilities (default: %(default)s)")
    add("--compile-seconds", type=float, default=120.0, metavar="S", help="limit of a diagram (default: %(default)s)")
    add("--plot", type=Path, metavar="FILE", help="draw seconds against clauses (.svg or .png)")


def table(records: Sequence[Record]) -> str:
    """Return the summary of tasks: median and range over seeds of each measure, held-out data."""
    lines = [f"{'task':22}{'measure':16}{'seeds':>6}{'median':>9}{'lowest':>9}{'highest':>9}{'seconds':>9}  published"]
    for name in dict.fromkeys(record["config"]["task"] for record in records):
        runs = [record for record in records if record["config"]["task"] == name]
        seconds = statistics.median(run["result"]["seconds"] for run in runs)
        for measure in runs[0]["result"]["measured"]:
            shares = [run["result"]["measured"][measure] for run in runs]
            lines.append(
                f"{name:22}{measure:16}{len(shares):6}{statistics.median(shares):9.4f}{min(shares):9.4f}"
                f"{max(shares):9.4f}{seconds:9.0f}  {_published(runs[0]['result']['published'], measure)}".rstrip()
            )
    return "\n".join(lines)


def _published(published: Mapping[str, Any], measure: str) -> str:
    if published["measure"] != measure:
        return ""
    parts = [f"{published['value']:.3f}" if published["value"] else "-"]
    if published["seconds"]:
        parts.append(f"in {published['seconds']:.0f} s")
    if published["target"]:
        parts.append(f"(aim {published['target']:.2f})")
    return " ".join(parts)


def _cl_ste_jobs(options: argparse.Namespace) -> list[Job]:
    check_output_folder(options.runs, "--runs")
    overrides = dict(_key_value(text) for text in options.set)
    tasks = [read_task(name, overrides) for name in dict.fromkeys(options.task)]
    return [_task_job(task, seed, options) for task in tasks for seed in dict.fromkeys(options.seeds)]


def _task_job(task: TaskConfig, seed: int, options: argparse.Namespace) -> Job:
    if not 0 <= seed < 2**32:
        raise ConfigError(f"--seeds: expected 0 to 4294967295, got {seed}")
    settings = asdict(task)
    published = settings.pop("published")
    run_dir: Path = options.runs / f"{task.name}-{seed}"

    def measure() -> dict[str, Any]:
        torch.set_num_threads(options.threads)
        if options.fresh:
            (run_dir / "checkpoint.pt").unlink(missing_ok=True)
        outcome = fit(task, seed, run_dir)
        return {
            "measured": {name: round(share, 6) for name, share in outcome.measured.items()},
            "steps": outcome.steps,
            "seconds": round(outcome.seconds, 1),
            "published": published,
            "torch": torch.__version__,
        }

    config = {"suite": "cl-ste", "task": task.name, "seed": seed, "settings": settings}
    return Job(config, measure, Needs(cpus=options.threads))


def _cost_jobs(options: argparse.Namespace) -> list[Job]:
    return study_cl_ste_cost.jobs(
        study_cl_ste_cost.Cost(options.batch, options.repeats, options.seed, options.compile_seconds, options.threads)
    )


def _key_value(text: str) -> tuple[str, str]:
    key, sign, value = text.partition("=")
    if not sign:
        raise ConfigError(f"--set: expected KEY=VALUE, got {text!r}")
    return key, value


def _command(studies: Any, name: str, summary: str, description: str) -> argparse.ArgumentParser:
    command = add_suite(studies, name, summary, description, _RESUME, f"study-{name}")
    command.add_argument("--threads", type=int, default=1, help="CPU threads (default: %(default)s)")
    return command
