"""The ``nnsearch`` command: solve, trace, models, inspect, demo."""

from __future__ import annotations

import sys
from collections.abc import Sequence

_VERBS = {
    "solve": "solve an instance",
    "trace": "draw a recorded search tree",
    "models": "list the pretrained networks",
    "inspect": "describe a network",
    "demo": "solve a large quasigroup with the network and without",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code: 0 solved or proved, 1 limit reached, 2 bad input, 130 Ctrl-C."""
    try:
        return _run(argv)
    except KeyboardInterrupt:  # while Python imports
        sys.stderr.write("interrupted\n")
        return 130


def _run(argv: Sequence[str] | None) -> int:
    from importlib import import_module

    import nnsearch
    from nnsearch.cli.command_line import command_line, run
    from nnsearch.interrupt import DeferredInterrupt

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
    words = sys.argv[1:] if argv is None else argv
    if words and words[0] in _VERBS:
        # An interrupt in the midst of an import comes out of it as another error.
        with DeferredInterrupt() as interrupted:
            import_module(f"nnsearch.cli.{words[0]}")
        if interrupted():
            raise KeyboardInterrupt
    return run(app, words, "error")
