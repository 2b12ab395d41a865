"""The command line of study 3."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from benchmarks.records import Job
from benchmarks.studies.label_free import plot as study_label_free_plot
from benchmarks.studies.label_free import study as study_label_free
from benchmarks.studies.label_free import table as study_label_free_table
from benchmarks.studies.label_free.training.config import KNOWLEDGE, STARTS
from benchmarks.suite_command import add_suite
from training.running.output_file import check_output_folder

_DESCRIPTION = """\
Value orders of networks that were trained without labels, beside those that saw solutions: the loss of Yang, Lee and
Park (2022) on the clauses of the Latin square alone, against the losses of Silvestri, Lombardi and Milano (2021) and
the planted solution.

One network is trained with the same steps on the same partial squares, with several seeds, and knows from its loss:
clauses (L_cnf, never a solution), agn (the pair that was removed last), sbr (the same, and what singleton consistency
refutes), planted (the whole solution). It starts as plain message passing, or as belief propagation. Then it drives the
CP engine on fresh squares of larger orders, under three variable orders: min-domain (the network orders values only),
most-confident (it picks the cell with the greatest score, too) and most-probable (the cell with the most probable
value, by a softmax over the scores of each cell). Beside them: random values, and belief propagation. Every solution
is checked, a wrong answer ends the run, and searches that give up count with the limit. Budgets: full takes a day on
one core; small about an hour; tiny takes seconds and only shows that the command works.

A training that was interrupted, by Ctrl-C or kill -9, goes on from its last checkpoint in --runs.

    python -m benchmarks study label-free --budget small --plot label-free.svg"""

_RESUME = """\
Each network is one JSON line in --output, appended when it was trained and has searched. The same command again does
only what the file does not hold yet, prints the table and draws the plot."""


def add_command(studies: Any) -> None:
    """Add ``label-free`` to the sub-commands of ``study``."""
    summary = "value orders learned from clauses alone, in the CP engine"
    command = add_suite(studies, "label-free", summary, _DESCRIPTION, _RESUME, "study-label-free")
    command.set_defaults(jobs=_jobs, table=study_label_free_table.table, draw=study_label_free_plot.plot, threads=1)
    add = command.add_argument
    budgets = tuple(study_label_free.BUDGETS)
    add("--budget", choices=budgets, default="small", help="how much is spent (default: %(default)s)")
    add("--starts", nargs="+", choices=STARTS, default=STARTS, metavar="START", help="plain, bp (default: both)")
    names = ", ".join(KNOWLEDGE)
    add("--knowledge", nargs="+", choices=KNOWLEDGE, default=KNOWLEDGE, metavar="KNOWLEDGE", help=f"{names} (all)")
    add("--runs", type=Path, default=Path("runs/study-label-free"), metavar="DIR", help="default: %(default)s")
    add("--seed", type=int, default=1, help="of the squares that are searched (default: %(default)s)")
    add("--plot", type=Path, metavar="FILE", help="draw the failures of each network (.svg or .png)")


def _jobs(options: argparse.Namespace) -> list[Job]:
    check_output_folder(options.runs, "--runs")
    starts, knowledge = tuple(dict.fromkeys(options.starts)), tuple(dict.fromkeys(options.knowledge))
    return study_label_free.jobs(study_label_free.Study(options.budget, options.runs, starts, knowledge, options.seed))
