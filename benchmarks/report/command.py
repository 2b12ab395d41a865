"""``python -m benchmarks report``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.records import Record, RecordError, read_records
from benchmarks.report.page import payload, render
from benchmarks.report.training_section import read_metrics

DESCRIPTION = """\
All results as one page of HTML that opens in any browser, from the file system, without a network.

What was run, where, and with which commit; the headline in plain words; feasibility curves, cactus plots, performance
profiles, failures against seconds, tables of every suite and study, training curves. Filters by problem, size and arm.

    python -m benchmarks report
    python -m benchmarks report runs/benchmarks/*.jsonl --metrics runs/pls-10-full/metrics.jsonl --output report.html"""

RESULTS = Path("benchmarks/results")


def add_command(commands: Any) -> None:
    """Add the command to those of ``python -m benchmarks``."""
    command: argparse.ArgumentParser = commands.add_parser(
        "report",
        help="all results as one page of HTML",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "results",
        nargs="*",
        type=Path,
        default=[RESULTS],
        metavar="FILE",
        help=f"files of results, or folders with .jsonl files (default: {RESULTS})",
    )
    command.add_argument(
        "--metrics",
        nargs="+",
        type=Path,
        default=[],
        metavar="FILE",
        help="metrics.jsonl of runs of training; a run is named after its folder",
    )
    command.add_argument(
        "--output", type=Path, default=Path("runs/report.html"), metavar="FILE", help="the page (default: %(default)s)"
    )
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Write the page.

    Raises:
        RecordError: there are no results, or a file is not one of results.
        OSError: a file cannot be read or written.
    """
    write(options.results, options.output, options.metrics)
    size = options.output.stat().st_size
    sys.stdout.write(f"{options.output}: {size / 1e6:.1f} MB; open it in a browser\n")


def write(results: Sequence[Path], output: Path, metrics: Sequence[Path] = ()) -> None:
    """Read results and write the page.

    Args:
        results: files, or folders with ``.jsonl`` files.
        output: the page; its folder is created.
        metrics: of runs of training.

    Raises:
        RecordError: there are no results, or a file is not one of results.
        OSError: a file cannot be read or written.
    """
    files: dict[Path, list[Record]] = {}
    for path in results:
        for file in sorted(path.glob("*.jsonl")) if path.is_dir() else [path]:
            if not file.exists():
                hint = ""
                if path == RESULTS:  # what is read where no file is named
                    hint = " (relative to the current folder; name others: report FILE ...)"
                raise RecordError(f"{file}: expected a file of results, found none{hint}")
            if records := read_records(file):
                files[file] = records
    if not files and not metrics:
        raise RecordError(f"{' '.join(map(str, results))}: expected results (.jsonl), found none")
    page = render(payload(files, {path.resolve().parent.name: read_metrics(path) for path in metrics}))
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(page, encoding="utf-8")
