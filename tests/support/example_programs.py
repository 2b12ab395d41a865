"""Programs of ``examples/``, run with less data than they come with."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def with_constants(text: str, **constants: object) -> str:
    """Return a program with other values of its constants, each of which it has to have."""
    for name, value in constants.items():
        text, found = re.subn(rf"^{name} = .*$", f"{name} = {value!r}", text, flags=re.MULTILINE)
        assert found == 1, f"expected one line that gives {name}, got {found}"
    return text


def run_example(name: str, folder: Path, **constants: object) -> tuple[dict[str, Any], list[str]]:
    """Run a program as the main one, in this process and in a folder; return its names, and the lines it printed."""
    path = EXAMPLES / f"{name}.py"
    names: dict[str, Any] = {"__name__": "__main__", "__file__": str(path)}
    code = compile(with_constants(path.read_text(encoding="utf-8"), **constants), str(path), "exec")
    with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()) as out:
        exec(code, names)
    return names, out.getvalue().splitlines()
