"""The ``nnsearch`` command: solve, trace, models, inspect, advise, history, demo."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nnsearch.cli.start import start

if TYPE_CHECKING:
    from cyclopts import App

_VERBS = {
    "solve": "solve an instance",
    "trace": "draw a recorded search tree",
    "models": "list the pretrained networks, and lp",
    "inspect": "describe a network",
    "advise": "try whether a learned search helps with a model",
    "history": "list, show, add, export, prune and replay past solves",
    "demo": "solve a large quasigroup with the network and without",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code: 0 solved or proved, 1 limit reached, 2 bad input, 130 Ctrl-C."""
    return start(_app, argv)


def _app() -> App:
    import nnsearch
    from nnsearch.cli.command_line import command_line

    app = command_line(
        "nnsearch",
        "Learned value ordering for OR-Tools.\n\n"
        "exit codes: 0 solved or proved, 1 limit reached, 2 bad input, 130 interrupted",
        f"nnsearch {nnsearch.__version__}",
    )
    app.register_install_completion_command()
    for verb, summary in _VERBS.items():
        # By name: OR-Tools and ONNX Runtime are loaded by the commands that need them, when they are asked for.
        app.command(f"nnsearch.cli.{verb}:app", name=verb, help=summary)
    return app
