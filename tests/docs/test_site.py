"""The site is built without a warning, is small, and asks nothing of the network."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
MOST_MEGABYTES = 10
PHONE, ROOM = 360, 1
"""Pixels: of a narrow phone, and by how many a page may be wider, which is rounding."""
PAPER = 703
"""Pixels of A4 between margins of 12 mm."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "http_proxy": "http://127.0.0.1:9"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def test_it_is_small(site: Path) -> None:
    assert sum(path.stat().st_size for path in site.rglob("*") if path.is_file()) < MOST_MEGABYTES * 1e6


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    loads = re.compile(r"<(?:script|img|iframe)[^>]+src=\"(?:https?:)?//|<link[^>]+href=\"(?:https?:)?//")
    found = [path.name for path in site.rglob("*.html") for link in loads.findall(path.read_text(encoding="utf-8"))]
    assert found == []
    assert [path.name for path in site.rglob("*.css") if re.search(r"url\(.?https?:", path.read_text())] == []


def test_the_report_and_a_replay_are_part_of_it(site: Path) -> None:
    for name in ("report.html", "replay.html"):
        assert (site / name).stat().st_size > 10_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api")
    from shutil import which

    found = which("chromium") or which("google-chrome")
    if found is None:
        pytest.skip("there is no Chromium")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield opened
        opened.close()


def test_no_page_is_wider_than_a_phone(site: Path, browser: Any) -> None:
    page = browser.new_page(viewport={"width": PHONE, "height": 740})
    wide = {}
    for path in sorted(site.rglob("*.html")):
        page.goto(path.as_uri())
        if (width := page.evaluate("document.documentElement.scrollWidth")) > PHONE + ROOM:
            wide[path.relative_to(site).as_posix()] = width
    page.close()
    assert wide == {}


def test_no_page_is_cut_off_in_print(site: Path, browser: Any) -> None:
    page = browser.new_page(viewport={"width": PAPER, "height": 1000})
    page.emulate_media(media="print", color_scheme="dark")
    right = (
        "Math.max(...[...document.querySelectorAll('h1, table, pre, img')].map(e => e.getBoundingClientRect().right))"
    )
    controls = "[...document.querySelectorAll('.md-header, .md-sidebar, .md-clipboard')].some(e => e.checkVisibility())"
    paper = "getComputedStyle(document.body).backgroundColor"
    cut, dark, controlled = {}, [], []
    for path in sorted(site.rglob("*.html")):
        name = path.relative_to(site).as_posix()
        if name == "404.html":  # whose style is that of a server
            continue
        page.goto(path.as_uri())
        if (furthest := page.evaluate(right)) > PAPER + ROOM:
            cut[name] = furthest
        if page.evaluate(paper) not in ("rgb(255, 255, 255)", "rgba(0, 0, 0, 0)"):
            dark.append(name)
        if page.evaluate(controls):
            controlled.append(name)
    page.close()
    assert (cut, dark, controlled) == ({}, [], [])
