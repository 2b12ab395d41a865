"""The studies whose networks drive a search: failures by what the loss of a network knew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.records import Record, grouped
from benchmarks.report.parts import Axis, Chart, Group, Place, Row, Section, Series, Table
from benchmarks.report.places import QUASIGROUP
from benchmarks.studies.label_free.study import VARIABLES
from benchmarks.studies.label_free.table import arms, runs
from benchmarks.studies.label_free.training.config import KNOWLEDGE, STARTS
from benchmarks.studies.sbr.search_table import searches_of
from benchmarks.studies.sbr.study import MAIN


@dataclass(frozen=True)
class _Arm:
    """The searches of the networks of one arm on the same instances.

    Attributes:
        name: on the page.
        failures: float64[K, I], of K networks or seeds on I instances; the limit where a search gave up.
        solved: bool[K, I].
        charted: whether it is drawn, too.
    """

    name: str
    failures: npt.NDArray[np.float64]
    solved: npt.NDArray[np.bool_]
    charted: bool = True


def label_free_section(records: Sequence[Record]) -> Section:
    """Return the part of the page of the study ``label-free``."""
    groups = []
    for test, same in grouped(records, lambda record: record["config"]["test"]):
        for order in test["orders"]:
            for variables in VARIABLES:
                searched = [(arm, runs(same, *arm, order, variables)) for arm in arms()]
                found = [
                    _Arm(knowledge if start == "none" else f"{start}, {knowledge}", one.failures, one.solved)
                    for (start, knowledge), one in searched
                    if one is not None
                ]
                if found:
                    title = f"Squares of order {order}, {100 * test['holes']:.0f} % holes, variables by {variables}"
                    groups.append(_group(title, found, test["failures"], Place(QUASIGROUP, f"order {order}")))
    return Section(
        "study-label-free",
        "Study: values learned without a single solution",
        "The same network on the candidate graph, the same partial squares and steps; its loss knows "
        f"{_words(KNOWLEDGE)}. It starts as message passing that knows nothing ({STARTS[0]}) or as belief propagation "
        f"({STARTS[1]}). Then it orders the values of the CP engine on larger squares than any it was trained on.",
        [],
        groups,
    )


def sbr_search_section(records: Sequence[Record]) -> Section:
    """Return the part of the page of the study ``sbr-search``."""
    groups = []
    for _, same in grouped(records, _test_of):
        config = same[0]["config"]
        test = config["test"]
        size = f"order {test['order']}"
        title = (
            f"{test['problem']} of {size}, {100 * test['holes']:.0f} % holes: propagation {config['propagation']}, "
            f"{config['question']}"
        )
        place = Place(QUASIGROUP if test["problem"] == "latin-square" else test["problem"], size)
        found = []
        for (setting, arm), own in grouped(same, lambda record: (record["config"]["setting"], record["config"]["arm"])):
            failures, solved = (np.stack(parts) for parts in zip(*map(searches_of, own), strict=True))
            name = arm if setting == "none" else f"{setting}, {arm}"
            found.append(_Arm(name, failures, solved, setting in ("none", MAIN)))
        groups.append(_group(title, found, config["failure_limit"], place))
    return Section(
        "study-sbr-search",
        "Study: knowledge in the loss, inside a search",
        "The networks of the study above as value orders of a depth-first search with none, some or all propagation. "
        "Free choice: the network picks the cell, too; fixed cell: the cell with the fewest values is next.",
        [],
        groups,
    )


def _group(title: str, found: Sequence[_Arm], limit: int, place: Place) -> Group:
    rows = [
        Row(
            [
                arm.name,
                len(arm.failures),
                f"{arm.solved.sum()} of {arm.solved.size}",
                float(np.median(arm.failures)),
                float(f"{np.exp(np.log1p(arm.failures).mean()):.3g}"),
            ],
            arm.name,
            place,
        )
        for arm in found
    ]
    table = Table(
        f"At most {limit:,} failures",
        ["arm", "networks or seeds", "solved", "failures, median", "failures + 1, geometric mean"],
        rows,
        "A search that gave up counts with the limit. All solutions were checked.",
    )
    return Group(title, [table, _within([arm for arm in found if arm.charted], limit)], place)


def _within(found: Sequence[_Arm], limit: int) -> Chart:
    series = []
    for arm in found:
        reached = np.sort(arm.failures[arm.solved])
        height = np.arange(1, len(reached) + 1) / arm.solved.size
        last = np.append(reached[1:] != reached[:-1], True)[: len(reached)]
        points = [(0.0, 0.0), *zip(reached[last].tolist(), height[last].round(4).tolist(), strict=True)]
        points.append((float(limit), points[-1][1]))
        series.append(Series(arm.name, points, "step", f"{arm.solved.mean():.0%}"))
    return Chart(
        "Solved within so many failures",
        Axis("failures", "symlog"),
        Axis("share of searches", domain=(0, 1)),
        series,
        "Higher and further left is better; networks and instances together.",
    )


def _test_of(record: Record) -> list[object]:
    config = record["config"]
    return [config[name] for name in ("test", "propagation", "question", "failure_limit", "budget")]


def _words(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"
