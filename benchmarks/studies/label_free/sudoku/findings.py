"""What the study on sudokus found, from records only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.records import Record
from benchmarks.rendering.parts import Group, Place, Table, TableRow
from benchmarks.statistics import by_arm, wilson

Boards = list[dict[str, Any]]
"""The shares of one kind of board, of each seed."""


def summary(records: Sequence[Record]) -> Group:
    """Return a table of completed shares for each kind of board."""
    config = records[0]["config"]
    kinds = [one["kind"] for one in records[0]["result"]["boards"]]
    return Group(
        f"Sudokus from their rules, budget {config['budget']}: {config['test']['count']} held-out boards of each kind",
        [_table(kind, records) for kind in kinds],
    )


def _table(kind: str, records: Sequence[Record]) -> Table:
    count = records[0]["config"]["test"]["count"]
    rows: list[TableRow] = []
    for arm, runs in by_arm(records).items():
        boards = [one for run in runs for one in run["result"]["boards"] if one["kind"] == kind]
        if not rows:
            rows.append(_row("singles alone", "singles", boards[:1], ("singles", "singles"), count))
        rows.append(_row(arm, arm, boards, ("at_once", "iterated"), count))
    return Table(
        kind,
        ["arm", "at once", "iterated", "at once, each seed", "iterated, each seed"],
        rows,
        "Shares of boards, mean over seeds, with 95 % intervals over boards. iterated: the surest cell is fixed, "
        "singles are propagated, the network is asked again. Singles, which come before both, are a floor of both.",
    )


def _row(name: str, arm: str, boards: Boards, ways: tuple[str, str], count: int) -> TableRow:
    """Return a row: the shares of both ways over all seeds, then those of each seed, where there are several."""
    means = [_with_interval(float(np.mean([one[way] for one in boards])), count) for way in ways]
    seeds = [" ".join(f"{one[way]:.3f}" for one in boards) if len(boards) > 1 else None for way in ways]
    return TableRow([name, *means, *seeds], arm, Place("sudoku"))


def _with_interval(share: float, count: int) -> str:
    """Return a share of boards with its 95 % interval; all seeds have the same boards, so more seeds narrow nothing."""
    low, high = wilson(np.array(share), np.array(float(count)))
    return f"{share:.3f} [{low:.3f}, {high:.3f}]"
