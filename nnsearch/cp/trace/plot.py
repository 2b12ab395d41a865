"""A recorded search tree as a picture."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from nnsearch.cp.trace.events import RecordedTrace, writing
from nnsearch.errors import ConfigError

ENDINGS = (".svg", ".png", ".pdf")


def check_plot_file(path: str | Path) -> None:
    """Refuse, before any other work, what could not be drawn afterwards.

    Raises:
        ConfigError: the ending is unknown, or matplotlib is not installed.
    """
    if Path(path).suffix.lower() not in ENDINGS:
        raise ConfigError(f"{path}: expected a picture that ends in {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}")
    _figure_class()


def _figure_class() -> Any:
    try:
        return importlib.import_module("matplotlib.figure").Figure
    except ImportError:
        raise ConfigError("pictures need matplotlib: pip install matplotlib") from None


def save_plot(trace: RecordedTrace, path: str | Path) -> None:
    """Draw the depth of the decisions over time, with the solutions, and the dead ends by depth.

    Args:
        trace: what :func:`nnsearch.cp.read_trace` returned.
        path: the picture; its ending, one of :data:`ENDINGS`, decides the format.

    Raises:
        ConfigError: as :func:`check_plot_file` says.
        TraceError: the picture cannot be written.
    """
    check_plot_file(path)
    figure = _figure_class()(figsize=(10, 4), layout="constrained")
    over_time, by_depth = figure.subplots(1, 2, sharey=True, width_ratios=(3, 1))
    events = {
        name: [event for event in trace.events if event.outcome == name] for name in ("open", "failed", "solution")
    }
    over_time.plot([event.ms for event in events["open"]], [event.depth for event in events["open"]], linewidth=0.5)
    over_time.plot([event.ms for event in events["solution"]], [event.depth for event in events["solution"]], "o")
    over_time.set(xlabel="milliseconds", ylabel="depth", title=f"decisions and solutions, {trace.header.get('model')}")
    depths = [event.depth for event in events["failed"]]
    by_depth.hist(depths, bins=range(max(depths, default=0) + 2), orientation="horizontal", align="left")
    by_depth.set(xlabel="dead ends", title="where they sit")
    with writing(path, "picture"):
        figure.savefig(path)
