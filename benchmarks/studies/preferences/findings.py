"""What the preferences study found, from records only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.records import Record, grouped
from benchmarks.rendering.parts import Group, Place, Table, TableRow
from benchmarks.statistics import by_arm, counted, short


def summary(records: Sequence[Record]) -> Group:
    """Return a table for each case."""
    config = records[0]["config"]
    seeds = len({record["config"]["seed"] for record in records})
    return Group(
        f"{config['plans']} past plans, {config['instances']} new instances for each of "
        f"{counted(seeds, 'seed')}; networks of {config['steps']} steps",
        [_table(case, same) for case, same in grouped(records, lambda record: str(record["config"]["case"]))],
    )


def _table(case: str, records: Sequence[Record]) -> Table:
    rows = []
    for arm, runs in by_arm(records).items():
        kept = np.array([record["result"]["kept"] for record in runs])  # [seeds, instances]
        seconds = [float(np.median(record["result"]["seconds"])) for record in runs]
        low, middle, high = np.quantile(kept, (0.1, 0.5, 0.9))
        of_seeds = " ".join(f"{median:.2f}" for median in np.median(kept, axis=1))
        none_found = sum(record["result"]["none_found"] for record in runs)
        cells = [
            arm,
            f"{middle:.2f}",
            f"{low:.2f} .. {high:.2f}",
            of_seeds,
            short(float(np.median(seconds))),
            none_found,
        ]
        rows.append(TableRow(cells, arm, Place(case)))
    return Table(
        case,
        ["arm", "kept, median", "10 % .. 90 %", "median of each seed", "seconds, median", "no plan"],
        rows,
        "kept: of what is possible to the planner, 0 = a plan at random, 1 = the best one.\n"
        "no plan: instances without one in time, which count as 0.",
    )
