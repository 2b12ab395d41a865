"""``python -m benchmarks feasibility``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, TypeVar

from cyclopts import App, Parameter

from benchmarks.cli.measure import RESUME, measure
from benchmarks.cli.options import Models, Pair, PlotFile
from benchmarks.networks import LoadedNetwork, load_networks
from benchmarks.records import Job
from benchmarks.suites.feasibility import Feasibility, jobs, summary
from nnsearch.errors import ConfigError
from nnsearch.inference.providers import Provider
from training.cli.command_line import Ray

T = TypeVar("T")

app = App(name="feasibility", help_epilogue=RESUME)


@app.default
def feasibility(
    *,
    order: Annotated[tuple[int, ...], Parameter(name=("--order", "--orders"))] = (10,),
    squares: int | None = None,
    states: tuple[int, ...] = (10_000,),
    levels: tuple[int, ...] | None = None,
    label_seconds: float | None = None,
    compare: Pair = None,
    pool: tuple[Path, ...] = (),
    plot: PlotFile = None,
    models: Models = None,
    provider: Provider = "auto",
    threads: int = 1,
    ray: Ray = None,
    seed: int = 1,
    output: Path = Path("runs/benchmarks/feasibility.jsonl"),
    fresh: bool = False,
) -> int:
    """How often is a suggested assignment feasible, that is, part of some solution?

    Partial Latin squares are drawn from fresh squares (none from a training pool: check with --pool), evenly over the
    number of filled cells, and every pair gets an exact label. Arms: rnd (its exact expectation), smallest-domain
    (random value of a random cell among those with fewest values), singles (random pair after singles propagation), and
    each network (its best-scored pair). Each is asked with the propagation none, rows and full at test time, two
    questions: free choice (any pair) and fixed cell (the value of a given cell, averaged over all unassigned cells).
    Networks on the candidate graph, which read what propagation leaves, are asked the fixed cell after full and after
    singles propagation (the states that a search has), at any order. --compare measures the difference of two networks
    on the same states, fill level by fill level.

    The exact labels of some states above order 15 take long: give --label-seconds there, and fewer --states, at fewer
    --levels. States whose labels take longer are left out, and counted.

    Reported: the mean over fill levels with a 95 % half width (normal, stratified by level, states independent), the
    worst level (a minimum over noisy levels: it is somewhat too low with few states), and the curve.

    Args:
        order: of the squares
        squares: fresh squares (default: one per state)
        states: states, one number, or one for each order
        levels: fill levels, one number, or one for each order (default: all, order * order)
        label_seconds: time for the exact labels of a state (default: no limit)
        compare: two of the networks, the first less the second on each state
        pool: a training pool that must hold no test square
        plot: draw the curves (.svg or .png)
        models: names or .onnx files (default: all pretrained that are for any solution)
        provider: where networks run
        threads: CPU threads of an inference
        ray: measure on a Ray cluster (default: in this process)
        seed: seed of the instances
        output: results
        fresh: measure again what the file already holds
    """

    def make_jobs() -> list[Job]:
        orders = list(dict.fromkeys(order))
        if len(orders) > 1 and plot is not None:
            raise ConfigError(f"--plot draws one order, and {len(orders)} are given; give one --order or no --plot")
        of_each = zip(
            orders,
            _one_for_each(states, orders, "--states"),
            _one_for_each(levels or (None,), orders, "--levels"),
            strict=True,
        )
        suites = [Feasibility(one, squares, count, seed, pool, some, label_seconds) for one, count, some in of_each]
        networks = load_networks(models, provider, threads)
        pair = [_named(networks, name) for name in compare or ()]
        made: list[Job] = []
        for suite in suites:
            # All of the pretrained ones that fit, and whatever the order those that were asked for by name.
            fitting = networks
            if models is None or len(orders) > 1:
                fitting = [network for network in networks if network.order in (None, suite.order)]
            pairs = [(pair[0], pair[1])] if pair and all(one in fitting for one in pair) else []
            made += jobs(suite, fitting, pairs)
        return made

    return measure(make_jobs, summary, output, fresh, threads=threads, plot=plot, ray=ray)


def _one_for_each(values: Sequence[T], orders: Sequence[int], option: str) -> Sequence[T]:
    """Return one value for each order: one stands for all."""
    if len(values) not in (1, len(orders)):
        raise ConfigError(f"{option}: expected one number, or one for each of {len(orders)} orders, got {len(values)}")
    return values if len(values) > 1 else [*values] * len(orders)


def _named(networks: Sequence[LoadedNetwork], name: str) -> LoadedNetwork:
    for network in networks:
        if network.name == name:
            return network
    names = ", ".join(network.name for network in networks) or "(none given)"
    raise ConfigError(f"--compare: expected two of the networks {names}, got {name!r}")
