"""Searches of networks on the same instances, as a table and a chart: what two studies have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.rendering.parts import ANYWHERE, Axis, Cell, Chart, Place, Series, Table, TableRow


@dataclass(frozen=True)
class Searches:
    """The searches of one arm, float64[K, I] failures of K networks (or seeds) on I instances, a row of a table.

    A search that gave up counts with the limit; ``more`` are further cells; ``charted``: whether it is drawn, too.
    """

    name: str
    failures: npt.NDArray[np.float64]
    solved: npt.NDArray[np.bool_]
    more: Sequence[Cell] = ()
    charted: bool = True

    @property
    def means(self) -> list[float]:
        """Geometric mean of failures + 1 of each network."""
        return [float(mean) for mean in np.exp(np.log1p(self.failures).mean(axis=1))]

    @property
    def mean(self) -> float:
        """Geometric mean of failures + 1 over all."""
        return float(np.exp(np.log1p(self.failures).mean()))


def search_table(
    title: str, arms: Sequence[Searches], more: Sequence[str], note: str, place: Place = ANYWHERE, share: bool = False
) -> Table:
    """Return a row for each arm; ``more`` are the headings of their further cells, ``share`` one for the solved."""
    rows = []
    for arm in arms:
        solved = f"{arm.solved.sum()} of {arm.solved.size}"
        median, mean = float(np.median(arm.failures)), float(f"{arm.mean:.3g}")
        shares = [f"{arm.solved.mean():.0%}"] if share else []
        cells: list[Cell] = [arm.name, len(arm.failures), solved, *shares, median, mean, *arm.more]
        rows.append(TableRow(cells, arm.name, place))
    return Table(
        title,
        ["arm", "networks", "solved", *(["share"] if share else []), "median", "geomean", *more],
        rows,
        "median: of failures; geomean: geometric mean of failures + 1; a search that gives up counts with the limit.\n"
        + note,
    )


def within_chart(arms: Sequence[Searches], limit: int) -> Chart:
    """Draw the share of searches that ended within so many failures; arms that are not to be drawn are left out."""
    series = []
    for arm in (arm for arm in arms if arm.charted):
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
