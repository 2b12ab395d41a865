"""What the pages of the repository link to is there. The site checks its own links, anchors too, when it is built."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("", "docs/**", "examples", "models", "training", "benchmarks", "benchmarks/studies")
PAGES = sorted({path for folder in FOLDERS for path in ROOT.glob(f"{folder}/*.md".lstrip("/"))})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_to_files(page: Path) -> None:
    text = re.sub(r"^ *```.*?^ *```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", text)
    made_by_the_site = ("report.html", "replay.html")
    assert [link for link in links if not link.endswith(made_by_the_site) and not (page.parent / link).exists()] == []
