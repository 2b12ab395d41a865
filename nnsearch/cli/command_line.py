"""The command lines of this project: options are the parameters of a function, errors are one line."""

from __future__ import annotations

import os
import re
import sys
import textwrap
from collections.abc import Sequence
from typing import Any, NoReturn, get_args

from cyclopts import App, CoercionError, CycloptsError, MissingArgumentError, Parameter, convert
from cyclopts.help.formatters.plain import PlainFormatter

from nnsearch.errors import NNSearchError
from nnsearch.interrupt import DeferredInterrupt

DONE, BAD_INPUT, INTERRUPTED = 0, 2, 130

_OURS = ("nnsearch", "training", "benchmarks")


class _Help(PlainFormatter):
    """Help as plain text, filled to the width of the terminal, that begins with the usage."""

    def render_usage(self, console: Any, options: Any, usage: Any) -> None:
        """Render the first line."""
        console.on_broken_pipe = _reader_is_gone  # its own ends the process with code 1
        self._print_plain(console, f"usage: {usage}")
        console.print()

    def _print_plain(self, console: Any, text: str) -> None:
        indent = " " * (len(text) - len(text.lstrip()))  # of an option
        paragraphs = text.rstrip().split("\n\n")
        for index, paragraph in enumerate(paragraphs):
            if indent or "\n " not in f"\n{paragraph}":  # else it is an example
                paragraphs[index] = textwrap.fill(
                    " ".join(paragraph.split()),
                    console.width,
                    initial_indent=indent,
                    subsequent_indent=3 * indent,
                    break_on_hyphens=False,
                )
        super()._print_plain(console, "\n\n".join(paragraphs))


def command_line(name: str, description: str, version: str | None = None) -> App:
    """Return a command line to which commands can be added.

    Args:
        name: what users type.
        description: what it is for.
        version: what ``--version`` says; None is no such option.
    """
    return App(
        name=name,
        help=description,
        help_format="plaintext",
        help_formatter=_Help(),
        version=version,
        version_flags=() if version is None else ("--version",),
        default_parameter=Parameter(negative=(), converter=_given_values),
    )


def _given_values(kind: Any, tokens: Any) -> Any:
    """Convert as cyclopts does, but no fraction to a whole number, which it would round, and no empty word.

    An empty word is a variable of the shell that is not set; as a path it would be the folder here.
    """
    for token in tokens:
        if getattr(token, "value", None) == "":
            raise CoercionError("expected a value, got an empty word", token=token, target_type=kind)
    if int in (kind, *get_args(kind)) and float not in get_args(kind):
        for token in tokens:
            if re.fullmatch(r"[-+]?[0-9]+|none", getattr(token, "value", "0"), re.IGNORECASE) is None:
                raise CoercionError(token=token, target_type=int)
    return convert(kind, tokens)


def run(app: App, argv: Sequence[str] | None = None) -> int:
    """Run a command line; return the exit code of the command, 2 after bad input, 130 after Ctrl-C.

    A reader that goes away (head, less) ends it in silence, with code 0.

    Args:
        app: the command line; its commands return exit codes.
        argv: the words, those of this process by default.

    Raises:
        SystemExit: with code 0 after help, with code 2 when the words cannot be read; one line on stderr says why.
    """
    try:
        try:
            return _run(app, sys.argv[1:] if argv is None else list(argv))
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # Without this Python complains once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE


def _run(app: App, words: list[str]) -> int:
    try:
        # An interrupt in the midst of an import, here that of the command, comes out of it as another error.
        with DeferredInterrupt() as interrupted:
            asked = app
            for word in words:
                if word not in asked:
                    break
                asked = asked[word]
                asked.help = None  # what the list of commands says; its own page is longer
            else:
                if asked.default_command is None:
                    commands = ", ".join(sorted(name for name in asked if not name.startswith("-")))
                    _refuse(f"the following arguments are required: COMMAND, one of {commands}")
            command, bound, _ = app.parse_args(words, exit_on_error=False, print_error=False)
        if interrupted():
            raise KeyboardInterrupt
        code: int | None = command(*bound.args, **bound.kwargs)
        if code is None:
            raise SystemExit(DONE)
    except CycloptsError as error:
        _refuse(_message(error))
    except ImportError as error:
        missing = error.__cause__ if isinstance(error.__cause__, ModuleNotFoundError) else error
        if not isinstance(missing, ModuleNotFoundError) or str(missing.name).partition(".")[0] in _OURS:
            raise
        _refuse(f"this command needs {missing.name}; in the clone: pip install -c constraints.txt -e '.[train,bench]'")
    except BrokenPipeError:
        raise
    except (NNSearchError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return BAD_INPUT
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return INTERRUPTED
    return code


def _reader_is_gone() -> NoReturn:
    raise BrokenPipeError


def _refuse(message: str) -> NoReturn:
    sys.stderr.write(f"error: {message} (see --help)\n")
    raise SystemExit(BAD_INPUT)


def _message(error: CycloptsError) -> str:
    error.verbose = False
    option = error.argument.name if error.argument is not None else ""
    if isinstance(error, MissingArgumentError) and error.keyword is None:
        return f"the following arguments are required: {option}"
    if isinstance(error, CoercionError) and error.token is not None and isinstance(error.target_type, type):
        return f"argument {option}: invalid {error.target_type.__name__} value: {error.token.value!r}"
    return " ".join(str(error).split()).rstrip(".")
