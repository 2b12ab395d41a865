"""What study 3 found, from records only: failures by what the loss knew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.records import Record
from benchmarks.studies.label_free.study import FLOORS, VARIABLES
from benchmarks.studies.label_free.training.config import KNOWLEDGE, STARTS
from benchmarks.suites.search import short, with_limit


@dataclass(frozen=True)
class Runs:
    """The searches of one arm on the squares of one order: a row for each network (or seed of random values).

    Attributes:
        failures: float64[K, I]; a search that gave up counts with the limit.
        solved: bool[K, I].
        seconds: float64[K, I].
        value: share of groups whose best-scored candidate is the planted one at the root, mean over networks; None for
            random values.
    """

    failures: npt.NDArray[np.float64]
    solved: npt.NDArray[np.bool_]
    seconds: npt.NDArray[np.float64]
    value: float | None

    @property
    def means(self) -> list[float]:
        """Geometric mean of failures + 1 of each network."""
        return [float(mean) for mean in np.exp(np.log1p(self.failures).mean(axis=1))]

    @property
    def mean(self) -> float:
        """Geometric mean of failures + 1 over all."""
        return float(np.exp(np.log1p(self.failures).mean()))


def arms() -> Iterator[tuple[str, str]]:
    """Yield start and knowledge of every arm, in the order of the table; floors have the start ``none``."""
    for floor in FLOORS:
        yield "none", floor
    for start in STARTS:
        for knowledge in KNOWLEDGE:
            yield start, knowledge


def runs(records: Sequence[Record], start: str, knowledge: str, order: int, variables: str) -> Runs | None:
    """Return the searches of an arm; None where there are none."""
    own = _of(records, start, knowledge)
    found, seconds = [], []
    values: list[float] = []
    for record in own:
        limit = record["config"]["test"]["failures"]
        for search in record["result"]["searches"]:
            if (search["order"], search["variables"]) == (order, variables):
                found.append(with_limit(search["failures"], search["solved"], limit))
                seconds.append(search["seconds"])
        values += [one["value"] for one in record["result"].get("root", []) if one["order"] == order]
    if not found:
        return None
    return Runs(
        np.stack([failures for failures, _ in found]),
        np.stack([solved for _, solved in found]),
        np.array(seconds, dtype=np.float64),
        float(np.mean(values)) if values else None,
    )


def _of(records: Sequence[Record], start: str, knowledge: str) -> list[Record]:
    return [r for r in records if (r["config"]["start"], r["config"]["knowledge"]) == (start, knowledge)]


def table(records: Sequence[Record]) -> str:
    """Return a block of arms for each order and variable order."""
    config = records[0]["config"]
    test = config["test"]
    lines = [
        f"budget {config['budget']}: fresh squares with {test['holes']:.0%} holes (seed {test['seed']}), at most "
        f"{test['failures']} failures, restarts after {test['restart_after']}",
        _trained(records),
    ]
    for order in test["orders"]:
        for variables in VARIABLES:
            rows = [(arm, runs(records, *arm, order, variables)) for arm in arms()]
            if not any(found for _, found in rows):
                continue
            title = f"order {order}, {variables}, {test['count']} squares"
            lines += [
                "",
                f"{title:42}{'networks':>9}{'solved':>10}"
                f"{'failures':>10}{'mean':>8}  {'of each network':28}{'seconds':>9}{'value':>8}",
                *(_row(arm, found) for arm, found in rows if found is not None),
            ]
    lines += [
        "",
        "failures: median; a search that gives up counts with the limit. mean: geometric mean of failures + 1.",
        "value: share of groups whose best candidate is the planted one when the search begins. random: seeds.",
    ]
    return "\n".join(lines)


def _row(arm: tuple[str, str], found: Runs) -> str:
    start, knowledge = arm
    name = knowledge if start == "none" else f"{start}, {knowledge}"
    each = " ".join(short(mean) for mean in found.means)
    value = "" if found.value is None else f"{found.value:8.3f}"
    return (
        f"{name:42}{len(found.failures):9}{f'{found.solved.sum()}/{found.solved.size}':>10}"
        f"{short(float(np.median(found.failures))):>10}{short(found.mean):>8}  {each:28}"
        f"{short(float(found.seconds.mean())):>9}{value}"
    ).rstrip()


def _trained(records: Sequence[Record]) -> str:
    """Return what the trainings had in common, and what they took."""
    trained = [record for record in records if "training" in record["config"]]
    if not trained:
        return "no network was trained"
    training = trained[0]["config"]["training"]
    taken = []
    for start in STARTS:
        for knowledge in KNOWLEDGE:
            own = [
                r["result"] for r in trained if (r["config"]["start"], r["config"]["knowledge"]) == (start, knowledge)
            ]
            if own:
                taken.append(f"{start}, {knowledge} {np.mean([one['seconds'] for one in own]):.0f} s")
    orders = ", ".join(map(str, training["data"]["orders"]))
    steps = training["train"]["steps"]
    return f"{steps:,} steps on {training['data']['squares']:,} partial squares of orders {orders}: {'; '.join(taken)}"
