"""Turn programs of ``examples/`` into notebooks: ``python scripts/notebooks.py --write``.

A program with cells is a notebook as well: its docstring and what follows ``# %% [markdown]`` are prose, what follows
``# %%`` is code, as editors know it. The program is the source, and a notebook of the same name is written beside it,
without outputs. Without ``--write`` the notebooks that are not up to date are listed.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
_CELL = re.compile(r"^# %%( \[markdown\])?\n", re.MULTILINE)


def programs() -> list[Path]:
    """Return the programs that have cells."""
    return [path for path in sorted(EXAMPLES.glob("*.py")) if _CELL.search(path.read_text(encoding="utf-8"))]


def notebook(program: str) -> str:
    """Return the notebook of a program, in the format of Jupyter."""
    title, _, text = (ast.get_docstring(ast.parse(program)) or "").partition("\n")
    cells = [_cell("markdown", f"# {title.rstrip('.')}\n{text}")]
    _, *parts = _CELL.split(program)
    for prose, body in zip(parts[::2], parts[1::2], strict=True):
        if prose:
            cells.append(_cell("markdown", re.sub(r"^# ?", "", body, flags=re.MULTILINE)))
        else:
            cells.append(_cell("code", body))
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"  # ids at random would differ each time
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    made = {
        "cells": cells,
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(made, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _cell(kind: str, text: str) -> dict[str, object]:
    cell: dict[str, object] = {"cell_type": kind, "metadata": {}, "source": text.strip().splitlines(keepends=True)}
    return cell | ({"execution_count": None, "outputs": []} if kind == "code" else {})


if __name__ == "__main__":
    for path in programs():
        made, target = notebook(path.read_text(encoding="utf-8")), path.with_suffix(".ipynb")
        if "--write" in sys.argv[1:]:
            target.write_text(made, encoding="utf-8")
        elif not target.exists() or target.read_text(encoding="utf-8") != made:
            sys.stdout.write(f"{target.name} is not that of {path.name}\n")
