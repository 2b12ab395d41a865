"""What the commands of all suites have in common."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

_RESULTS = Path("runs/benchmarks")


def add_suite(
    commands: Any, name: str, summary: str, description: str, resume: str, results: str
) -> argparse.ArgumentParser:
    """Add the command of a suite.

    Args:
        commands: the sub-parsers that it joins.
        name: of the command.
        summary: a line for the list of commands.
        description: for its own help.
        resume: what the same command does when it is given again.
        results: the name of its file of results.
    """
    command: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=description,
        epilog=resume,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(check=None, ratios=None, ray=None, jobs_at_a_time=1)
    output = _RESULTS / f"{results}.jsonl"
    command.add_argument("--output", type=Path, default=output, metavar="FILE", help="results (default: %(default)s)")
    command.add_argument("--fresh", action="store_true", help="measure again what the file already holds")
    return command
