"""The first moment of a program: Ctrl-C while it still imports ends it as at any other time."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from nnsearch.interrupt import DeferredInterrupt

if TYPE_CHECKING:
    from cyclopts import App


def start(make_app: Callable[[], App], argv: Sequence[str] | None) -> int:
    """Make a command line and run it, see :func:`nnsearch.cli.command_line.run`.

    Args:
        make_app: imports what it needs.
        argv: the words, those of this process by default.
    """
    # An interrupt in the midst of an import comes out of it as another error.
    with DeferredInterrupt() as interrupted:
        from nnsearch.cli.command_line import INTERRUPTED, run

        app = make_app()
    if interrupted():
        sys.stderr.write("interrupted\n")
        return INTERRUPTED
    return run(app, argv)
