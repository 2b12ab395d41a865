"""A recorded search tree as a picture."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from nnsearch.cp.trace import RecordedTrace, TraceError
from nnsearch.errors import ConfigError


def save_plot(trace: RecordedTrace, path: str | Path) -> None:
    """Draw the depth of the decisions over time, with the solutions, and the dead ends by depth.

    Args:
        trace: what :func:`nnsearch.cp.read_trace` returned.
        path: the picture; its ending decides the format (png, svg, pdf).

    Raises:
        ConfigError: matplotlib is not installed, or cannot draw this format.
        TraceError: the picture cannot be written.
    """
    try:
        figure_class: Any = importlib.import_module("matplotlib.figure").Figure
    except ImportError:
        raise ConfigError("pictures need matplotlib: pip install matplotlib") from None
    figure = figure_class(figsize=(10, 4), layout="constrained")
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
    try:
        figure.savefig(path)
    except OSError as error:
        raise TraceError(f"{path}: the picture cannot be written: {error.strerror or error}") from None
    except ValueError as error:  # an unknown ending
        raise ConfigError(f"{path}: {error}") from None
