"""``nnsearch trace``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from nnsearch.cp.trace.events import read_trace
from nnsearch.cp.trace.page import save_page
from nnsearch.cp.trace.report import report
from nnsearch.output_file import check_output_file

app = App(name="trace")


@app.default
def trace(
    file: Annotated[str, Parameter(metavar="FILE")],
    /,
    *,
    html: Annotated[str | None, Parameter(metavar="PAGE")] = None,
) -> int:
    """Draw what nnsearch solve --trace recorded: depth over time, dead ends, which values were right.

    Args:
        file: the recorded trace
        html: also write a page that replays the search, for any browser
    """
    if html is not None:
        check_output_file(Path(html), "--html")
    recorded = read_trace(file)
    sys.stdout.write(report(recorded))
    if html is not None:
        save_page(recorded, html)
    return 0
