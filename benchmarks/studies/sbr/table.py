"""What study 1 found, beside the numbers of its paper, from records only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from benchmarks.records import Record
from benchmarks.studies.sbr.study import FRESH, LEAKING, MAIN, SETTINGS
from nnsearch.problems.latin_square.problem import LatinSquare
from training.data.feasibility import PROPAGATORS

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

    Attributes:
        means: mean feasibility of each network, over fill levels.
        half_widths: of their 95 % intervals, over test states.
        worst: the lowest fill level of each, and where it is.
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


def table(records: Sequence[Record]) -> str:
    """Return the table of a study, and what it says about the paper's claims."""
    sizes = dict.fromkeys(map(size_of, records))
    return "\n\n".join(_block([record for record in records if size_of(record) == size]) for size in sizes)


def size_of(record: Record) -> tuple[str, int]:
    """Return the problem and the order of the test states of a record."""
    test = record["config"]["test"]
    return test.get("problem", LatinSquare.name), test["order"]


def _block(records: Sequence[Record]) -> str:
    config = records[0]["config"]
    test = config["test"]
    problem, order = size_of(records[0])
    title, solutions = (
        (f"order {order}", "squares") if problem == LatinSquare.name else (f"{problem} of order {order}", "solutions")
    )
    lines = [
        f"{title}, budget {config['budget']}: {_presentations(records)} presentations for each network; "
        f"{test['states']} states from {test['squares']} fresh {solutions} that no pool has (seed {test['seed']})",
        "free choice: mean over fill levels and networks [lowest, highest 95 % limit of any network]",
        "",
        f"{'setting':17}{'arm':10}{'networks':>8}"
        + "".join(f"{f'propagation {name}':>24}" for name in PROPAGATORS)
        + f"{'worst (filled)':>16}{'fixed cell, full':>24}  published, none",
    ]
    rows = [("none", "rnd", FRESH)]
    for setting, arms in SETTINGS.items():
        rows += [(setting, arm, FRESH) for arm in arms]
    rows += [("by-example", arm, LEAKING) for arm in SETTINGS["by-example"]]
    for setting, arm, on in rows:
        cells = [means(records, setting, arm, propagation, test=on) for propagation in PROPAGATORS]
        fixed = means(records, setting, arm, "full", "fixed cell", on)
        if cells[0] is None:
            continue
        worst, filled = min(cells[0].worst)
        published = "" if on == LEAKING else PUBLISHED.get((setting, arm, "none"), "") if setting != "none" else ""
        lines.append(
            f"{setting + (' *' if on == LEAKING else ''):17}{arm:10}{len(cells[0].means):8}"
            + "".join(f"{cell or '-'!s:>24}" for cell in cells)
            + f"{f'{worst:.3f} ({filled})':>16}{fixed or '-'!s:>24}  {published}".rstrip()
        )
    if any(LEAKING in record["result"]["tests"] for record in records):
        lines.append(f"* asked about {LEAKING} of the squares it was trained on: the paper's test, which leaks")
    if any(record["config"]["setting"] == MAIN for record in records):
        random = ", ".join(f"{PUBLISHED['none', 'rnd', name]} ({name})" for name in PROPAGATORS)
        lines += [f"published, rnd: {random}", "", *findings(records)]
    return "\n".join(lines)


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
