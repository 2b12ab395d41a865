"""Docstrings as Markdown: a role such as :class:`nnsearch.Limits` becomes a link to the reference, or else code.

An extension of Griffe, which mkdocstrings reads the packages with.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import griffe

REFERENCE = Path(__file__).resolve().parents[1] / "docs" / "reference"
_ROLE = re.compile(r":(?:class|mod|func|data|meth|attr):`([^`]+)`")


def names_in_reference() -> list[str]:
    """Return the names of the reference in its order, such as ``nnsearch.cpsat.CpSolver``."""
    pages = sorted(REFERENCE.glob("*.md"))
    return [
        name for page in pages for name in re.findall(r"^::: (\S+)", page.read_text(encoding="utf-8"), re.MULTILINE)
    ]


class DocstringLinks(griffe.Extension):
    """Rewrites the roles of every docstring."""

    def __init__(self) -> None:
        self._names = {name.rpartition(".")[2]: name for name in names_in_reference()}

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Rewrite one docstring."""
        if obj.docstring is not None:
            obj.docstring.value = _ROLE.sub(self._link, obj.docstring.value)

    def _link(self, role: re.Match[str]) -> str:
        *_, name = role[1].split(".")
        if name in self._names:
            return f"[`{name}`][{self._names[name]}]"
        return f"`{role[1]}`"
