"""What the study on sudokus found, from records only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from benchmarks.records import Record
from benchmarks.rendering.parts import Group, Place, Table, TableRow
from benchmarks.statistics import by_arm


def summary(records: Sequence[Record]) -> Group:
    """Return a table of completed shares for each kind of board."""
    config = records[0]["config"]
    kinds = [one["kind"] for one in records[0]["result"]["boards"]]
    return Group(
        f"Sudokus from their rules, budget {config['budget']}: {config['test']['count']} held-out boards of each kind",
        [_table(kind, records) for kind in kinds],
    )


def _table(kind: str, records: Sequence[Record]) -> Table:
    rows: list[TableRow] = []
    for arm, runs in by_arm(records).items():
        for depth, name in (("boards", arm), ("twice_as_deep", f"{arm}, twice as deep")):
            boards = [one for record in runs for one in _of_kind(record["result"].get(depth, []), kind)]
            if not boards:
                continue
            if not rows:
                rows.append(
                    TableRow(["singles alone", f"{boards[0]['singles']:.3f}", "", ""], "singles", Place("sudoku"))
                )
            of_seeds = " ".join(f"{one['iterated']:.3f}" for one in boards)
            shares = [f"{np.mean([one[way] for one in boards]):.3f}" for way in ("at_once", "iterated")]
            rows.append(TableRow([name, *shares, of_seeds], arm, Place("sudoku")))
    return Table(
        kind,
        ["arm", "at once", "iterated", "iterated, each seed"],
        rows,
        "Shares of boards. iterated: the surest cell is fixed, singles are propagated, the network is asked again.",
    )


def _of_kind(boards: Sequence[dict[str, Any]], kind: str) -> Iterator[dict[str, Any]]:
    return (one for one in boards if one["kind"] == kind)
