"""``python -m benchmarks report``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from benchmarks.records import Record, RecordError, read_records
from benchmarks.report.page import payload, render
from benchmarks.report.training_section import read_metrics
from nnsearch.cli.command_line import DONE
from nnsearch.output_file import check_output_file

RESULTS = Path("benchmarks/results")

app = App(name="report")


@app.default
def report(
    results: Annotated[tuple[Path, ...], Parameter(metavar="FILE")] = (RESULTS,),
    /,
    *,
    metrics: tuple[Path, ...] = (),
    output: Path = Path("runs/report.html"),
) -> int:
    """All results as one page of HTML that opens in any browser, from the file system, without a network.

    What was run, where, and with which commit; the headline in plain words; feasibility curves, cactus plots,
    performance profiles, failures against seconds, tables of every suite and study, training curves. Filters by
    problem, size and arm.

        python -m benchmarks report
        python -m benchmarks report runs/benchmarks/*.jsonl --metrics runs/pls-10-full/metrics.jsonl

    Args:
        results: files of results, or folders with .jsonl files
        metrics: metrics.jsonl of runs of training; a run is named after its folder
        output: the page
    """
    check_output_file(output, "--output")
    write_page(results, output, metrics)
    sys.stdout.write(f"{output}: {output.stat().st_size / 1e6:.1f} MB; open it in a browser\n")
    return DONE


def write_page(results: Sequence[Path], output: Path, metrics: Sequence[Path] = ()) -> None:
    """Read results, files or folders with ``.jsonl`` files, and ``metrics`` of runs of training, and write the page.

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
