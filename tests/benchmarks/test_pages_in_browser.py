"""The report and the page of a replayed search in a browser without a screen; skipped where there is none."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.instances.squares import fresh_quasigroups as squares
from benchmarks.report.command import RESULTS, write_page
from nnsearch import cp
from nnsearch.cp.search_options import SearchOptions
from nnsearch.cp.trace.events import RecordedTrace, TraceEvent, read_trace
from nnsearch.cp.trace.page import MOST_EVENTS, save_page
from nnsearch.cp.trace.recorder import Trace, layout_of
from nnsearch.limits import Limits
from nnsearch.problems import PartialLatinSquare
from nnsearch.problems.n_queens.generating import generate

ROOT = Path(__file__).parents[2]
PHONE = {"width": 360, "height": 740}
VISIBLE = """selector => [...document.querySelectorAll(selector)].filter(one => {
  const box = one.getBoundingClientRect();
  return one.checkVisibility({visibilityProperty: true}) && box.width > 0 && box.height > 0;
}).length"""
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    try:
        playwright = importlib.import_module("playwright.sync_api")
    except ImportError:
        pytest.skip("needs playwright: pip install -e '.[dev]'")
    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    with playwright.sync_playwright() as running:
        try:
            found = running.chromium.launch(executable_path=path, args=["--no-sandbox"])
        except playwright.Error as error:
            pytest.skip(f"needs a browser, such as Debian's package chromium: {str(error).splitlines()[0]}")
        yield found
        found.close()


class Tab:
    """A page from the file system; what it loads and complains about is kept."""

    def __init__(self, browser: Any, path: Path, **how: Any) -> None:
        self.context = browser.new_context(offline=True, **how)
        self.page = self.context.new_page()
        self.troubles: list[str] = []
        self.page.on("console", lambda message: self.troubles.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.on(
            "request",
            lambda request: None if request.url == path.as_uri() else self.troubles.append(f"loads {request.url}"),
        )
        self.page.goto(path.as_uri())

    def text(self, selector: str) -> str:
        found: str = self.page.inner_text(selector)
        return found

    def count(self, selector: str) -> int:
        found: int = self.page.locator(selector).count()
        return found

    def visible(self, selector: str) -> int:
        found: int = self.page.evaluate(VISIBLE, selector)  # a locator asks for each of some thousand rows
        return found

    def fits(self) -> bool:
        """Tell whether the page is no wider than the window."""
        found: bool = self.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        return found

    def close(self) -> None:
        assert self.troubles == []
        self.context.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    metrics = folder / "run" / "metrics.jsonl"
    metrics.parent.mkdir()
    metrics.write_text('{"presentations": 1, "loss": 2}\n{"presentations": 2, "loss": 1}\n', encoding="utf-8")
    write_page([ROOT / RESULTS], folder / "report.html", [metrics])
    return folder / "report.html"


def test_every_plot_of_the_report_is_drawn(browser: Any, report: Path) -> None:
    tab = Tab(browser, report, viewport={"width": 1200, "height": 900})
    assert 3 <= tab.visible(".card") <= 6
    for button in tab.page.get_by_role("button", name="Unfold all").all():
        button.click()
    # The page forbids evaluated code, which is how the browser would wait by itself.
    for _ in range(100):
        if tab.page.evaluate("[...document.querySelectorAll('.drawing')].every(one => one.querySelector('svg'))"):
            break
        tab.page.wait_for_timeout(100)
    drawn = tab.page.evaluate(
        "[...document.querySelectorAll('.drawing svg')].map(one => one.querySelectorAll('g.series > *').length)"
    )
    assert len(drawn) > 80
    assert min(drawn) > 0
    assert tab.page.evaluate("[...document.querySelectorAll('.drawing svg')].every(one => one.ariaLabel)")
    data = tab.page.locator("details.data").first
    data.locator("summary").click()
    assert data.locator("tbody tr").count() > 3
    tab.close()


def test_arms_in_one_chart_of_dots_look_different_in_it_and_in_its_legend(browser: Any, report: Path) -> None:
    tab = Tab(browser, report, viewport={"width": 1200, "height": 900})
    card = tab.page.locator("#suite-policies")
    card.get_by_role("button", name="Unfold all").click()
    figure = card.locator("figure", has_text="Failures against seconds").first
    figure.locator(".drawing svg").wait_for()
    looks = """marks => [...new Set(marks.map(mark => JSON.stringify([
      getComputedStyle(mark).fill, mark.tagName, (mark.getAttribute('d') || '').replace(/[^A-Za-z]/g, '')])))]"""
    legend = figure.locator(".legend svg g > *").evaluate_all(looks)
    assert len(legend) == figure.locator(".legend button").count() > 6  # more than there are colours
    drawn = figure.locator(".drawing g.series:not([fill=none]) > *").evaluate_all(looks)
    assert sorted(drawn) == sorted(legend)
    tab.close()


def test_the_filters_of_the_report(browser: Any, report: Path) -> None:
    tab = Tab(browser, report, viewport={"width": 1200, "height": 900})
    groups, rows, lines = tab.visible("details.group"), tab.visible("tbody tr"), tab.visible("#suite-race g.series")
    tab.page.click("#filters > summary")
    tab.page.uncheck("[data-kind=arm] input[value=cp-sat]")
    assert tab.visible("#suite-race g.series") < lines
    assert tab.visible("tbody tr") < rows
    assert "1 arm hidden" in tab.text("#filter-words")
    tab.page.click("#suite-race .legend button:has-text('cp-sat') >> nth=0")  # the legend is a filter, too
    assert tab.visible("#suite-race g.series") == lines
    tab.page.uncheck("[data-kind=problem] input[value=quasigroup]")
    assert 0 < tab.visible("details.group") < groups
    assert tab.visible("#suite-race > .nothing") == 1
    tab.page.check("[data-kind=problem] input[value=quasigroup]")
    tab.page.uncheck("[data-kind=size] input[value='order 50']")
    assert tab.visible("#suite-race details.group") == 3
    tab.page.click("[data-kind=size] legend button:has-text('none')")
    assert tab.visible("#suite-feasibility details.group") == 0
    tab.page.click("[data-kind=size] legend button:has-text('all')")
    assert (tab.visible("details.group"), tab.visible("tbody tr")) == (groups, rows)
    table = tab.page.locator("#suite-race .table >> nth=0")
    (place,) = [i for i, head in enumerate(table.locator("th").all_inner_texts()) if "geometric mean" in head]
    table.locator("th button").nth(place).click()
    ratios = table.locator(f"tbody tr td:nth-child({place + 1})").all_inner_texts()
    assert [float(text) for text in ratios] == sorted(float(text) for text in ratios)
    tab.close()


def test_a_filter_draws_only_what_it_changes(browser: Any, report: Path) -> None:
    """Some eighty charts drawn again at each click took twenty seconds."""
    tab = Tab(browser, report, viewport={"width": 1200, "height": 900})
    drawing = tab.page.locator("#suite-race .drawing:visible").first
    drawing.locator("svg").wait_for()
    drawing.evaluate("one => { one.querySelector('svg').dataset.old = 1; }")
    tab.page.click("#filters > summary")
    tab.page.uncheck("[data-kind=size] input[value='order 50']")
    assert tab.count("#suite-race svg[data-old]") == 1
    tab.page.check("[data-kind=size] input[value='order 50']")
    assert tab.count("#suite-race svg[data-old]") == 1
    tab.page.uncheck("[data-kind=arm] input[value=cp-sat]")
    assert tab.count("#suite-race svg[data-old]") == 0
    tab.close()


def test_the_report_on_a_phone_in_the_dark_and_in_print(browser: Any, report: Path) -> None:
    tab = Tab(browser, report, viewport=PHONE, color_scheme="dark")
    assert tab.fits()
    tab.page.click("#filters > summary")
    assert tab.fits()
    paper = "getComputedStyle(document.body).backgroundColor"
    dark = tab.page.evaluate(paper)
    tab.page.click("#theme")
    assert tab.page.evaluate(paper) != dark
    tab.page.click("#theme")
    assert tab.page.evaluate(paper) == dark
    tab.page.emulate_media(media="print")
    assert tab.page.evaluate(paper) == "rgb(255, 255, 255)"
    assert tab.visible("#filters") == 0
    assert tab.page.pdf().startswith(b"%PDF")
    tab.close()


def square(order: int, holes: float) -> PartialLatinSquare:
    return squares(order, holes, 1, 3)[0]


def replayed(folder: Path, instance: Any, states: float | None = 8.0, **how: Any) -> tuple[Path, RecordedTrace]:
    path = folder / "trace.jsonl"
    model, variables = instance.build()
    cp.solve(model, variables, "bp", SearchOptions(**how), trace=Trace(path, states=states, about=layout_of(instance)))
    trace = read_trace(path)
    save_page(trace, folder / "page.html")
    return folder / "page.html", trace


def test_a_replayed_square(browser: Any, tmp_path: Path) -> None:
    page, trace = replayed(
        tmp_path, square(25, 0.38), restarts=cp.Restarts(3), policy=cp.InferencePolicy(0), limits=Limits(failures=60)
    )
    tab = Tab(browser, page, viewport={"width": 1100, "height": 900})
    assert tab.count(".square td") == 625
    assert tab.text("#event").startswith("Decision 1: row ")
    assert "probability" in tab.text("#event")
    assert tab.count(".square td.now") == 1
    assert tab.count("#detail .bar") >= 2
    tab.page.click("[data-go=forward]")
    assert "Step 2 of" in tab.text("#where")
    assert tab.count(".square td.decided") == 1
    tab.page.keyboard.press("ArrowRight")
    tab.page.keyboard.press("ArrowLeft")
    assert "Step 2 of" in tab.text("#where")
    tab.page.keyboard.press("Shift+ArrowRight")
    assert "Dead end" in tab.text("#event")
    step = next(number for number, event in enumerate(trace.events, start=1) if event.outcome == "failed")
    assert f"Step {step} of" in tab.text("#where")
    tab.page.click("[data-go=restart]")
    assert "run 2" in tab.text("#where")
    tab.page.evaluate("s => { s.value = 9; s.dispatchEvent(new Event('input')); }", tab.page.query_selector("#slider"))
    assert "Step 10 of" in tab.text("#where")
    tab.page.keyboard.press("End")
    assert f"Step {len(trace.events)} of {len(trace.events)}" in tab.text("#where")
    tab.page.set_viewport_size(PHONE)
    assert tab.fits()
    tab.close()


def test_a_replay_on_a_phone_shows_the_decided_cell_and_says_what_is_what(browser: Any, tmp_path: Path) -> None:
    page, _ = replayed(tmp_path, square(25, 0.38), policy=cp.InferencePolicy(0), limits=Limits(failures=60))
    tab = Tab(browser, page, viewport=PHONE)
    board = "document.getElementById('board')"
    assert tab.page.evaluate(f"{board}.scrollWidth > {board}.clientWidth")
    seen = f"""() => {{
      const [frame, cell] = [{board}, document.querySelector('.square td.now')].map(one => one.getBoundingClientRect());
      return frame.left <= cell.left && cell.right <= frame.right;
    }}"""
    places = set()
    for _ in range(12):
        assert tab.page.evaluate(seen)
        places.add(tab.page.evaluate(f"{board}.scrollLeft"))
        tab.page.evaluate("document.querySelector('[data-go=forward]').click()")
    assert len(places) > 1
    assert tab.page.evaluate("window.scrollY") == 0
    tab.page.evaluate(f"{board}.scrollLeft = 0")
    tab.page.evaluate("document.querySelector('.square td:not(.given)').click()")
    assert tab.page.evaluate(f"{board}.scrollLeft") == 0  # a cell that was pressed stays where it is
    assert tab.text("#caption").startswith("Depth of the search")
    assert "given by the instance" in tab.text("#key")
    assert "the one that the network finds most probable" in tab.text("#key")
    for button in tab.page.locator(".controls button").all():
        assert button.inner_text().split("\n")[-1].replace(" ", "").isalpha()  # under the sign
    tab.page.click("[data-go=play]")
    assert "pause" in tab.text("[data-go=play]")
    tab.close()


def test_the_last_step_of_a_replay_is_the_solution(browser: Any, tmp_path: Path) -> None:
    instance = square(9, 0.5)
    page, trace = replayed(tmp_path, instance)
    assert trace.events[-1].outcome == "solution"
    tab = Tab(browser, page)
    tab.page.keyboard.press("End")
    assert tab.text("#event") == "✓ Solution"
    assert "the values still open" in tab.text("#key")
    shown = [int(text) for text in tab.page.locator(".square td").all_inner_texts()]
    assert instance.is_solution(shown)
    tab.close()


def test_a_replay_without_a_grid_lists_the_variables(browser: Any, tmp_path: Path) -> None:
    (queens, _), *_ = generate(8, 1, 1, 1)
    page, _ = replayed(tmp_path, queens)
    tab = Tab(browser, page, viewport=PHONE)
    assert tab.count(".list tr") == 8
    assert "%" in tab.text(".list")
    tab.page.fill("#find", "q[3]")
    assert tab.count(".list tr") == 1
    assert tab.fits()
    tab.close()


def test_a_long_replay_says_what_it_leaves_out(browser: Any, tmp_path: Path) -> None:
    opened = TraceEvent("open", 1, "left", 0, 0, 0.0, 0, 0, "x", 1, None, None)
    failed = TraceEvent("failed", 1, "left", 1, 0, 0.0, 0)
    events = [replace(opened if i % 2 == 0 else failed, node=i // 2 + 1, ms=float(i)) for i in range(MOST_EVENTS + 10)]
    save_page(RecordedTrace({"model": "none"}, events), tmp_path / "page.html")
    tab = Tab(browser, tmp_path / "page.html")
    assert "Only the first 100,000 of 100,010 events" in tab.text("#notice")
    tab.page.keyboard.press("End")
    assert "Step 100,000 of 100,000" in tab.text("#where")
    tab.close()
