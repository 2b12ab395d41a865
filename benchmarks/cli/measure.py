"""What all verbs do: measure what the file of results lacks, then print the tables and draw the plot."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.answers import wrong_answers
from benchmarks.cli.options import warn
from benchmarks.records import Job, Record, read_records, run_jobs
from benchmarks.rendering.figure import check_plot_file, draw_charts
from benchmarks.rendering.parts import Group
from benchmarks.rendering.text import text
from nnsearch.cli.command_line import DONE, INTERRUPTED
from nnsearch.output_file import check_output_file, check_output_folder
from nnsearch.processors import usable_cpus

WRONG_ANSWERS = 1
"""The exit code after a wrong answer that did not end the run."""

RESUME = (
    "Each result is appended to --output as one JSON line as soon as it is measured. The same command again measures "
    "only what the file does not hold yet, prints the tables and draws the plot."
)


def measure(
    make_jobs: Callable[[], Sequence[Job]],
    summary: Callable[[Sequence[Record]], Group],
    output: Path,
    fresh: bool,
    *,
    threads: int = 1,
    plot: Path | None = None,
    ray: str | None = None,
    processes: int = 1,
    check: Callable[[Sequence[Record]], None] | None = None,
    runs: Path | None = None,
) -> int:
    """Measure, and show what was found; return the exit code.

    Args:
        make_jobs: what to measure; called once the files are known to be writable.
        summary: what the records say.
        output: the file of results.
        fresh: whether to measure again what it holds.
        threads: CPU threads of what is measured, for the records.
        plot: the plot to draw.
        ray: a Ray cluster to measure on.
        processes: jobs at a time on this machine.
        check: compares the answers of all records.
        runs: the folder of trainings, where there are some.
    """
    try:
        check_output_file(output, "--output")
        if plot is not None:
            check_plot_file(plot)
            check_output_file(plot, "--plot")
        if runs is not None:
            check_output_folder(runs, "--runs")
        jobs = list({job.key: job for job in make_jobs()}.values())
        known = {Job(record["config"], dict).key for record in read_records(output)}
        done = sum(job.key in known for job in jobs)
        if done and not fresh:
            sys.stderr.write(f"{done} of {len(jobs)} results are in {output}; --fresh measures them again\n")
        records = run_jobs(output, jobs, threads=threads, fresh=fresh, ray=ray, processes=processes)
        if check is not None:
            check(records)
        found = summary(records)
        sys.stdout.write(text(found) + "\n")
        if plot is not None:
            draw_charts(found, plot)
    except KeyboardInterrupt:
        sys.stderr.write(f"\ninterrupted; {output} keeps what was measured, the same command goes on\n")
        return INTERRUPTED
    return DONE


def measure_answers(
    make_jobs: Callable[[], Sequence[Job]],
    summary: Callable[[Sequence[Record]], Group],
    output: Path,
    fresh: bool,
    *,
    workers: int,
    plot: Path | None = None,
) -> int:
    """Measure solves whose wrong answers are recorded and end nothing; return the exit code.

    Args:
        make_jobs: as of :func:`measure`, and the following, too.
        summary: what the records say.
        output: the file of results.
        fresh: whether to measure again what it holds.
        workers: the most of a solve.
        plot: the plot to draw.
    """
    wrong: list[str] = []

    def checked_jobs() -> Sequence[Job]:
        jobs = make_jobs()
        if (cpus := usable_cpus()) < workers:
            warn([f"warning: {workers} workers on {cpus} usable CPUs; these are not the seconds of as many cores"])
        return jobs

    def check(records: Sequence[Record]) -> None:
        wrong.extend(wrong_answers(records))

    code = measure(checked_jobs, summary, output, fresh, threads=workers, plot=plot, check=check)
    return WRONG_ANSWERS if code == DONE and wrong else code
