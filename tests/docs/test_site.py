"""The site is built without a warning, is small, and asks nothing of the network."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

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


@dataclass(frozen=True)
class Seen:
    """What a browser shows of a page.

    Attributes:
        width: in pixels, on a phone.
        right: where on paper the rightmost text, table or picture ends, in pixels.
        paper: its colour, where the screen is dark.
        controls: whether there is anything on it to click at.
    """

    width: int
    right: float
    paper: str
    controls: bool


@pytest.fixture(scope="module")
def seen(site: Path) -> dict[str, Seen]:
    """Every page of the site, by its name."""
    sync_api = pytest.importorskip("playwright.sync_api")
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("there is no Chromium")
    right = (
        "Math.max(...[...document.querySelectorAll('h1, table, pre, img')].map(e => e.getBoundingClientRect().right))"
    )
    controls = "[...document.querySelectorAll('.md-header, .md-sidebar, .md-clipboard')].some(e => e.checkVisibility())"
    pages = {}
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        page = browser.new_page()
        for path in sorted(site.rglob("*.html")):
            page.set_viewport_size({"width": PHONE, "height": 740})
            page.emulate_media(media="screen", color_scheme="dark")
            page.goto(path.as_uri())
            width = page.evaluate("document.documentElement.scrollWidth")
            page.set_viewport_size({"width": PAPER, "height": 1000})
            page.emulate_media(media="print", color_scheme="dark")
            pages[path.relative_to(site).as_posix()] = Seen(
                width,
                page.evaluate(right),
                page.evaluate("getComputedStyle(document.body).backgroundColor"),
                page.evaluate(controls),
            )
        browser.close()
    return pages


def test_no_page_is_wider_than_a_phone(seen: dict[str, Seen]) -> None:
    assert {name: page.width for name, page in seen.items() if page.width > PHONE + ROOM} == {}


def test_no_page_is_cut_off_in_print(seen: dict[str, Seen]) -> None:
    printed = {name: page for name, page in seen.items() if name != "404.html"}  # whose style is that of a server
    assert {name: page.right for name, page in printed.items() if page.right > PAPER + ROOM} == {}
    white = ("rgb(255, 255, 255)", "rgba(0, 0, 0, 0)")
    assert {name: page.paper for name, page in printed.items() if page.paper not in white} == {}
    assert [name for name, page in printed.items() if page.controls] == []
