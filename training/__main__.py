"""``python -m training pool | solve | fit | label | evaluate | export | bp``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nnsearch.cli.start import start

if TYPE_CHECKING:
    from cyclopts import App

_VERBS = {
    "pool": "sample solutions",
    "solve": "solve the models of a folder, for fit --models",
    "fit": "train a network and export it",
    "evaluate": "measure the feasibility of exported networks on fresh squares",
    "export": "export the best weights of a run again",
    "label": "label the states that a search visits",
    "bp": "export belief propagation",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code: 0 done, 2 bad input, 130 interrupted."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch: threads that spin slow down a busy machine
    return start(_app, argv)


def _app() -> App:
    from nnsearch.cli.command_line import command_line

    app = command_line(
        "python -m training",
        "Train the networks that nnsearch searches with: sample solutions (pool), solve models of your own, or take "
        "solutions that you have; fit a network to them; label what searches visited; evaluate; export the .onnx file "
        "that nnsearch takes.",
    )
    for verb, summary in _VERBS.items():
        # By name: torch is loaded by the commands that need it, when they are asked for.
        app.command(f"training.cli.{verb}:app", name=verb, help=summary)
    return app


if __name__ == "__main__":
    sys.exit(main())
