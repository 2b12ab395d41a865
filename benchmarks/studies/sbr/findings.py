"""What study 1 found, beside the numbers of its paper, from records only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.records import Record
from benchmarks.rendering.parts import ANYWHERE, Axis, Block, Cell, Chart, Group, Place, Series, Table
from benchmarks.rendering.places import QUASIGROUP
from benchmarks.statistics import wilson
from benchmarks.studies.sbr.study import FRESH, LEAKING, MAIN, PAPER, SETTINGS
from nnsearch.problems.latin_square.problem import LatinSquare
from training.data.feasibility import PROPAGATORS

FloatArray = npt.NDArray[np.float64]

PANELS = (
    ("1: no propagation", MAIN, "none", FRESH),
    ("2: propagation of rows", MAIN, "rows", FRESH),
    ("3: full propagation", MAIN, "full", FRESH),
    ("4: 300,000 examples", "300000-examples", "none", FRESH),
    ("5: 50,000 examples", "50000-examples", "none", FRESH),
    ("6: 1,000 solutions", "1000-solutions", "none", FRESH),
    ("7: 100 solutions", "100-solutions", "none", FRESH),
    ("split by example, fresh squares", "by-example", "none", FRESH),
    ("the same, held-out examples: leaks", "by-example", "none", LEAKING),
    ("masked, full propagation", "masked", "full", FRESH),  # it learned to choose among what propagation leaves
    *((f"{name}, no propagation", name, "none", FRESH) for name in SETTINGS if name not in (*PAPER, "masked")),
)
"""(title, of the paper's figures with their number; setting; propagation at test time; test)"""

_MOST_POINTS = 50  # of a curve: neighbouring levels are pooled

RANDOM = ("none", "rnd", FRESH)
"""Setting, arm and test of the floor."""

PUBLISHED = {
    ("none", "rnd", "none"): ".255",
    ("none", "rnd", "rows"): ".585, worst .245",
    ("none", "rnd", "full"): ".833, worst .466 (56)",
    (MAIN, "agn", "none"): ".867, worst .564 (56)",
    (MAIN, "rows", "none"): ".61 to .64",
    (MAIN, "full", "none"): ".859 to .876, worst .584 (57)",
    ("50000-examples", "agn", "none"): ".341 (73,000)",
    ("50000-examples", "full", "none"): ".833 to .851 (73,000)",
    ("1000-solutions", "agn", "none"): ".641",
    ("1000-solutions", "full", "none"): ".861 to .873",
    ("100-solutions", "agn", "none"): ".326",
    ("100-solutions", "full", "none"): ".846 to .850, worst .521 (58)",
    ("order-7", "agn", "none"): ".902",
    ("order-7", "full", "none"): ".874 to .879",
    ("order-12", "agn", "none"): ".797",
    ("order-12", "full", "none"): ".797 to .825",
}
"""(setting, arm, propagation at test time) -> mean feasibility in the authors' published result files.

With the lowest fill level, and the filled cells there, where they are known. Those of ``full`` span its four runs, that
of ``rows`` the runs with the weight of the configs."""

TOLERANCE = 0.05
"""How far below 10,000 solutions the network with full knowledge may be with 100."""


@dataclass(frozen=True)
class Means:
    """The networks of one setting and arm on one test.

    Of each: the mean feasibility over fill levels, the half width of its 95 % interval over test states, and the lowest
    fill level, and where it is.
    """

    means: tuple[float, ...]
    half_widths: tuple[float, ...]
    worst: tuple[tuple[float, int], ...]

    @property
    def mean(self) -> float:
        """Over the networks."""
        return sum(self.means) / len(self.means)

    @property
    def low(self) -> float:
        """The lowest lower limit of any network."""
        return min(mean - half for mean, half in zip(self.means, self.half_widths, strict=True))

    @property
    def high(self) -> float:
        """The highest upper limit of any network."""
        return max(mean + half for mean, half in zip(self.means, self.half_widths, strict=True))

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"


def means(
    records: Sequence[Record],
    setting: str,
    arm: str,
    propagation: str = "none",
    question: str = "free choice",
    test: str = FRESH,
) -> Means | None:
    """Return what the networks of a setting and arm reached; None where there is no record of them."""
    found = [
        record["result"]["tests"][test][propagation][question]
        for record in records
        if (record["config"]["setting"], record["config"]["arm"]) == (setting, arm)
        and propagation in record["result"]["tests"].get(test, {})
    ]
    if not found:
        return None
    return Means(
        tuple(one["mean"] for one in found),
        tuple(one["half_width_95"] or 0.0 for one in found),
        tuple((one["worst"], one["worst_filled"]) for one in found),
    )


def size_of(record: Record) -> tuple[str, int]:
    """Return the problem and the order of the test states of a record."""
    test = record["config"]["test"]
    return test.get("problem", LatinSquare.name), test["order"]


def summary(records: Sequence[Record]) -> Group:
    """Return a table for each size, and the figures of the paper.

    A panel for each of its figures, two for its split, and one for each other setting; those without a network are left
    out, and those of another problem or order than the first say which.
    """
    size = size_of(records[0])
    blocks: list[Block] = [setting_table(_of_size(records, one)) for one in dict.fromkeys(map(size_of, records))]
    for title, setting, propagation, test in PANELS:
        networks = [r for r in records if r["config"]["setting"] == setting and test in r["result"]["tests"]]
        if networks:
            own = size_of(networks[0])
            name = title if own == size else f"{title} ({own[0]} {own[1]})"
            blocks.append(setting_chart(name, _of_size(records, own), setting, propagation, test))
    others = "" if len(set(map(size_of, records))) == 1 else " where no other is named"
    budget = records[0]["config"]["budget"]
    return Group(f"{size[0]} of order {size[1]}{others}, budget {budget}, free choice", blocks)


def groups(records: Sequence[Record]) -> list[Group]:
    """Return a table and the curves of each setting, for each budget and size."""
    made = []
    for budget, problem, order in dict.fromkeys((record["config"]["budget"], *size_of(record)) for record in records):
        same = [r for r in _of_size(records, (problem, order)) if r["config"]["budget"] == budget]
        tests = dict.fromkeys(test for record in same for test in record["result"]["tests"])
        charts = [
            setting_chart(f"{setting}: free choice, no propagation, {test}", same, setting, "none", test)
            for setting in dict.fromkeys(record["config"]["setting"] for record in same)
            for test in tests
            if setting != "none"
        ]
        made.append(
            Group(
                f"Budget {budget}, {problem} of order {order}",
                [setting_table(same), *(chart for chart in charts if chart.series)],
                Place(QUASIGROUP if problem == LatinSquare.name else problem, f"order {order}"),
            )
        )
    return made


def _of_size(records: Sequence[Record], size: tuple[str, int]) -> list[Record]:
    return [record for record in records if size_of(record) == size]


def setting_table(records: Sequence[Record]) -> Table:
    """Return a row for each setting, arm and test, of records of one size and budget."""
    config = records[0]["config"]
    test = config["test"]
    problem, order = size_of(records[0])
    title, solutions = (
        (f"order {order}", "squares") if problem == LatinSquare.name else (f"{problem} of order {order}", "solutions")
    )
    asked = [RANDOM, *((setting, arm, FRESH) for setting, arms in SETTINGS.items() for arm in arms)]
    asked += [("by-example", arm, LEAKING) for arm in SETTINGS["by-example"]]
    rows = []
    for setting, arm, on in asked:
        shares = [means(records, setting, arm, propagation, test=on) for propagation in PROPAGATORS]
        fixed = means(records, setting, arm, "full", "fixed cell", on)
        if shares[0] is None:
            continue
        worst, filled = min(shares[0].worst)
        by_propagation = zip(PROPAGATORS, shares, strict=True)
        cells: dict[str, Cell] = {
            "setting": f"{setting} *" if on == LEAKING else setting,
            "arm": arm,
            "asked about": on,
            "networks": len(shares[0].means),
            **{f"propagation {name}": None if one is None else str(one) for name, one in by_propagation},
            "worst (filled)": f"{worst:.3f} ({filled})",
            "fixed cell, full": None if fixed is None else str(fixed),
            "published, none": None if on == LEAKING or setting == "none" else PUBLISHED.get((setting, arm, "none")),
        }
        rows.append((cells, arm, ANYWHERE))
    notes = ["free choice: mean over fill levels and networks [lowest, highest 95 % limit of any network]"]
    if any(LEAKING in record["result"]["tests"] for record in records):
        notes.append(f"* asked about {LEAKING} of the squares it was trained on: the paper's test, which leaks")
    if any(record["config"]["setting"] == MAIN for record in records):
        random = ", ".join(f"{PUBLISHED['none', 'rnd', name]} ({name})" for name in PROPAGATORS)
        notes += [f"published, rnd: {random}", *findings(records)]
    return Table.of(
        f"{title}, budget {config['budget']}: {_presentations(records)} presentations for each network; "
        f"{test['states']} states from {test['squares']} fresh {solutions} that no pool has (seed {test['seed']})",
        rows,
        "\n".join(notes),
        page_only=["asked about"],
    )


def setting_chart(title: str, records: Sequence[Record], setting: str, propagation: str, test: str) -> Chart:
    """Draw the mean curve of the networks of each arm with its confidence band, random choice beside them.

    A band reaches from the lowest to the highest limit of the Wilson 95 % intervals of the single networks, over the
    test states of a point. Without a network there is nothing in the chart.
    """
    tests: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        asked = record["result"]["tests"].get(test, {})
        if record["config"]["setting"] in (setting, "none") and propagation in asked:
            tests.setdefault(record["config"]["arm"], []).append(asked)
    series = [_line(arm, several, propagation) for arm, several in tests.items()]
    return Chart(
        title,
        Axis("filled cells"),
        Axis("feasible suggestions", domain=(0, 1)),
        series if any(arm != "rnd" for arm in tests) else [],
        "Mean over the networks of an arm; beside the names: over fill levels. Bands reach from the lowest to the "
        "highest limit of the 95 % intervals of the single networks; random choice is exact.",
    )


def _line(arm: str, tests: Sequence[dict[str, Any]], propagation: str) -> Series:
    curves = [pooled_curve(test, propagation) for test in tests]
    level = curves[0][0]
    shares = np.array([share for _, share, _, _ in curves])  # [networks, P]
    states = np.array([states for _, _, states, _ in curves])
    known = ~np.isnan(shares).any(axis=0)
    limits = wilson(shares, states)
    low, high = limits[0].min(axis=0), limits[1].max(axis=0)
    points = zip(level[known], shares.mean(axis=0)[known], strict=True)
    band = zip(level[known], low[known], high[known], strict=True) if arm != "rnd" else ()  # its expectation is exact
    return Series(
        arm,
        [(float(x), _rounded(y)) for x, y in points],
        "line",
        f"{np.mean([mean for _, _, _, mean in curves]):.3f}" + (f" ({len(tests)} networks)" if len(tests) > 1 else ""),
        band=[(float(x), _rounded(one), _rounded(other)) for x, one, other in band],
    )


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def pooled_curve(test: dict[str, Any], propagation: str) -> tuple[FloatArray, FloatArray, FloatArray, float]:
    """Return the curve of one network on a test, neighbouring fill levels together.

    Filled cells, shares of feasible suggestions (NaN where there is no state) and numbers of states, float64[P] each,
    and the mean over all levels.
    """
    result = test[propagation]["free choice"]
    count = np.array(test["states_per_level"], dtype=np.float64)
    share = np.array([0.0 if point is None else point for point in result["curve"]])
    parts = np.array_split(np.arange(len(count)), min(_MOST_POINTS, len(count)))
    states = np.array([count[part].sum() for part in parts])
    states[states == 0] = np.nan  # a gap in the line
    feasible = np.array([(share * count)[part].sum() for part in parts])
    return np.array([part.mean() for part in parts]), feasible / states, states, result["mean"]


def findings(records: Sequence[Record]) -> list[str]:
    """Return a line for each claim: does it hold for every network, confidence limits included?"""
    lines = []
    arms = [("none", "rnd"), (MAIN, "agn"), (MAIN, "rows"), (MAIN, "full")]
    for (setting, arm), (other_setting, other_arm) in pairwise(arms):
        low, high = means(records, setting, arm), means(records, other_setting, other_arm)
        if low is not None and high is not None:
            verdict = "yes" if low.high < high.low else "no"
            lines.append(f"{arm} < {other_arm}, no propagation: {verdict}, {low} and {high}")
    many, few = means(records, MAIN, "full"), means(records, "100-solutions", "full")
    if many is not None and few is not None:
        verdict = "yes" if many.mean - few.mean <= TOLERANCE else "no"
        claim = f"full with 100 solutions within {TOLERANCE} of full with 10,000"
        lines.append(f"{claim}: {verdict}, {few.mean:.3f} and {many.mean:.3f}")
    return lines


def _presentations(records: Sequence[Record]) -> str:
    spent = sorted({record["result"]["presentations"] for record in records if "presentations" in record["result"]})
    return " to ".join(f"{number:,}" for number in dict.fromkeys((spent[0], spent[-1]))) if spent else "no"
