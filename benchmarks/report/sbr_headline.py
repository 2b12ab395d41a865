"""What all constraints in the loss are worth, as a headline."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.records import Record
from benchmarks.report.parts import Headline, Side
from benchmarks.studies.sbr.findings import means
from benchmarks.studies.sbr.study import MAIN

TRIAL = "tiny"
"""The budget whose numbers mean nothing."""


def headlines(records: Sequence[Record]) -> list[Headline]:
    """Return what all constraints in the loss are worth to the same network, solutions and steps."""
    chosen = [record for record in records if record["config"]["budget"] != TRIAL]
    know, agnostic = means(chosen, MAIN, "full"), means(chosen, MAIN, "agn")
    if know is None or agnostic is None:
        return []
    few = means(chosen, "100-solutions", "full")
    less = f" Of 100 solutions instead of 10,000 it learns {few.mean:.0%}." if few is not None else ""
    return [
        Headline(
            "Rules in the loss: squares of order 10",
            [
                Side(f"{know.mean:.0%}", "right suggestions of a network trained with the rules (full)", know.mean),
                Side(f"{agnostic.mean:.0%}", "of the same network trained without (agn)", agnostic.mean),
            ],
            f"The same network, solutions and steps. Asked for any pair of an empty cell and a value, without "
            f"propagation, it names one that some solution has in {know.mean:.0%} of squares that nobody trained on "
            f"({know.low:.1%} to {know.high:.1%}), without the rules in {agnostic.mean:.0%}.{less}",
            "study-sbr",
            "longer is better",
            "good" if know.low > agnostic.high else "bad",
        )
    ]
