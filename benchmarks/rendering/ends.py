"""Tables of how solves ended: when solutions came, proofs, time-outs, and who gave the answer."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.anytime import last_gap, last_objective, paired_runs, reached, solutions_of
from benchmarks.records import Record
from benchmarks.rendering.parts import Cell, Table, TableRow
from benchmarks.statistics import counted, is_decided, short


def ends(
    groups: Mapping[str, Mapping[str, Sequence[Record]]], column: str, baseline: str, best: Mapping[str, float]
) -> Table:
    """Return how the solves of each group and arm ended.

    Args:
        groups: runs by group and arm.
        column: what a group is called.
        baseline: the arm whose last objective the others are to reach.
        best: see :func:`benchmarks.statistics.best_known`.
    """
    rows = []
    for group, arms in groups.items():
        for arm, runs in arms.items():
            limit = runs[0]["config"]["time_limit"]
            pairs = paired_runs(runs, arms[baseline])
            seconds = [second for pair in pairs if (second := reached(*pair)) is not None]
            cells: list[Cell] = [
                group,
                arm,
                len(runs),
                short(float(np.median([next(iter(solutions_of(run)), (limit,))[0] for run in runs]))),
                short(float(np.median(seconds))) if seconds else None,
                f"{np.mean([last_gap(run, best) for run in runs]):.4f}",
                sum(map(is_decided, runs)),
                sum(not is_decided(run) for run in runs),
                sum(last_objective(run) is None for run in runs),
                sum(run["result"]["wrong"] is not None for run in runs),
            ]
            rows.append(TableRow(cells, arm))
    return Table(
        "How the solves ended",
        [
            *(column, "arm", "solves", "first solution", f"{baseline}'s last", "last gap", "proved", "time-outs"),
            *("without a solution", "wrong"),
        ],
        rows,
        f"first solution: median seconds to it; {baseline}'s last: median seconds to an objective as good as "
        f"{baseline}'s last one with the same seed;\nboth count with the limit where there is none. last gap: mean gap "
        "at the end. time-outs: no proof within the limit.",
    )


def solves_line(records: Sequence[Record], config: Mapping[str, Any], seeds: int, wrong: Sequence[str]) -> str:
    """Return a line on how many solves there were, and how.

    Args:
        records: of all solves.
        config: of one of those that are compared, which have the workers and the limit in common.
        seeds: how many there were.
        wrong: what was wrong, see :func:`benchmarks.answers.wrong_answers`.
    """
    cpus = sorted({record["result"]["usable_cpus"] for record in records})
    return (
        f"{len(records):,} solves by {counted(config['workers'], 'worker')} on {' or '.join(map(str, cpus))} usable "
        f"CPUs, limit {config['time_limit']:g} s, {counted(seeds, 'seed')}; {counted(len(wrong), 'wrong answer')}"
    )


def wrong_table(wrong: Sequence[str]) -> list[Table]:
    """Return a table of what was wrong, none if nothing was."""
    return [Table("Wrong answers", ["what"], [TableRow([line]) for line in wrong])] if wrong else []


def who_answered(arm: str, runs: Sequence[Record]) -> Table:
    """Return whose answer the drop-in solver returned, and why."""
    answers: Counter[tuple[str, str]] = Counter()
    for run in runs:
        # Numbers, and what is in brackets, differ from model to model.
        why = re.sub(r"\d[\d.]*", "...", re.sub(r" \(.*?\)", "", str(run["result"]["why"])))
        answers[run["result"]["winner"], why] += 1
    rows = [TableRow([winner, count, why], arm) for (winner, why), count in answers.most_common()]
    errors = sum(run["result"]["scorer_error"] is not None for run in runs)
    note = f"{arm}: the learned search failed in {counted(errors, 'run')}, which CP-SAT ended alone" if errors else ""
    return Table(f"Who answered in {arm}", ["side", "runs", "why"], rows, note)
