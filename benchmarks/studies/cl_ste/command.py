"""``python -m benchmarks study cl-ste`` and ``study cl-ste-cost``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from benchmarks.cli.measure import RESUME, measure
from benchmarks.cli.options import PlotFile
from benchmarks.records import Job
from benchmarks.studies.cl_ste import cost, study
from benchmarks.studies.cl_ste.tasks.config import read_task, task_names
from nnsearch.errors import ConfigError
from nnsearch.output_file import check_output_folder

_USUAL = cost.Cost()

cl_ste = App(name="cl-ste", help_epilogue=f"Tasks: {', '.join(task_names())}, or a .toml file.\n\n{RESUME}")
cl_ste_cost = App(name="cl-ste-cost", help_epilogue=RESUME)


@cl_ste.default
def run_cl_ste(
    *,
    task: Annotated[tuple[str, ...], Parameter(name=("--task", "--tasks"))],
    seeds: tuple[int, ...] = (1, 2, 3),
    set: Annotated[tuple[str, ...], Parameter(metavar="KEY=VALUE")] = (),
    runs: Path = Path("runs/study-cl-ste"),
    threads: int = 1,
    output: Path = Path("runs/benchmarks/study-cl-ste.jsonl"),
    fresh: bool = False,
) -> int:
    """Logical constraints through straight-through estimators: Yang, Lee and Park, ICML 2022.

    Each task has a committed config (benchmarks/studies/cl_ste/tasks/configs), and each seed draws its own data,
    split and weights. The last weights are measured on held-out pictures, boards or grids; nothing is chosen by them.
    The published figure of a record is on other pictures (MNIST, HASY) or boards, for orientation. Seconds are of
    training alone.

        python -m benchmarks study cl-ste --task member-3 add2x2 --seeds 1 2 3

    Args:
        task: the tasks
        seeds: a run for each
        set: override a key, such as train.epochs=1
        runs: checkpoints
        threads: CPU threads
        output: results
        fresh: measure again what the file already holds
    """

    def make_jobs() -> list[Job]:
        check_output_folder(runs, "--runs")
        overrides = dict(map(_key_value, set))
        tasks = [read_task(name, overrides) for name in dict.fromkeys(task)]
        return study.jobs(tasks, list(dict.fromkeys(seeds)), runs, threads, fresh)

    return measure(make_jobs, study.summary, output, fresh, threads=threads)


@cl_ste_cost.default
def run_cl_ste_cost(
    *,
    suite: Annotated[cost.Cost, Parameter(name="*")] = _USUAL,
    plot: PlotFile = None,
    output: Path = Path("runs/benchmarks/study-cl-ste-cost.jsonl"),
    fresh: bool = False,
) -> int:
    """What a step of the straight-through loss costs beside the semantic loss, which counts models exactly (PySDD).

    Both take the same clauses and the same batch of probabilities, forward and backward, without a network. The diagram
    of the semantic loss is compiled once, in a process of its own that may take --compile-seconds; what takes longer is
    recorded as not compiled.

    Args:
        suite: what to measure
        plot: draw seconds against clauses (.svg or .png)
        output: results
        fresh: measure again what the file already holds
    """
    return measure(lambda: cost.jobs(suite), cost.summary, output, fresh, threads=suite.threads, plot=plot)


def _key_value(text: str) -> tuple[str, str]:
    key, sign, value = text.partition("=")
    if not sign:
        raise ConfigError(f"--set: expected KEY=VALUE, got {text!r}")
    return key, value
