"""Every message that the page on troubleshooting explains is one that the code has."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MESSAGES = re.findall(r"^### `(.*)`$", (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8"), re.MULTILINE)


def texts_of(folder: Path) -> list[str]:
    """Return the texts in the programs of a folder; what is filled in is a gap."""
    return [text for path in folder.rglob("*.py") for text in _texts(ast.parse(path.read_text(encoding="utf-8")))]


def _texts(tree: ast.AST) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.append(node.value)
        elif isinstance(node, ast.JoinedStr):
            parts = [part.value if isinstance(part, ast.Constant) else "\0" for part in node.values]
            found.append("".join(map(str, parts)))
    return found


CODE = [re.sub(r"%s", "\0", text) for name in ("nnsearch", "training") for text in texts_of(ROOT / name)]


def has(text: str, parts: list[str]) -> bool:
    """Tell whether a text has all parts, one after the other."""
    place = 0
    for part in parts:
        place = text.find(part, place)
        if place < 0:
            return False
        place += len(part)
    return True


@pytest.mark.parametrize("message", MESSAGES)
def test_the_code_has_the_message(message: str) -> None:
    parts = [part for part in message.split("...") if part.strip()]
    assert parts
    assert any(has(text, parts) for text in CODE), message


def test_the_page_explains_messages() -> None:
    assert len(MESSAGES) > 30
