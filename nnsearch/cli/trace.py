"""``nnsearch trace``."""

from __future__ import annotations

import sys
from typing import Annotated

from cyclopts import App, Parameter

from nnsearch.cp.trace.events import read_trace
from nnsearch.cp.trace.page import save_page
from nnsearch.cp.trace.plot import check_plot_file, save_plot
from nnsearch.cp.trace.report import report

app = App(name="trace")


@app.default
def trace(
    file: Annotated[str, Parameter(metavar="FILE")],
    /,
    *,
    plot: Annotated[str | None, Parameter(metavar="OUT")] = None,
    html: Annotated[str | None, Parameter(metavar="PAGE")] = None,
) -> int:
    """Draw what nnsearch solve --trace recorded: depth over time, dead ends, which values were right.

    Args:
        file: the recorded trace
        plot: also draw a picture: .svg, .png or .pdf (needs matplotlib)
        html: also write a page that replays the search, for any browser
    """
    if plot is not None:
        check_plot_file(plot)
    recorded = read_trace(file)
    sys.stdout.write(report(recorded))
    if plot is not None:
        save_plot(recorded, plot)
    if html is not None:
        save_page(recorded, html)
    return 0
