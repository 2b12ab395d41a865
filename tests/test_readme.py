"""README is one screen, its two commands are found, and no page has a gap. Its code runs in tests/docs."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MOST_WORDS = 1200


def test_no_figure_is_left_to_fill_in() -> None:
    pages = [ROOT / "README.md", *(ROOT / "models").glob("*.md"), ROOT / "benchmarks" / "README.md"]
    for page in [*pages, *(ROOT / "docs").rglob("*.md")]:
        assert not re.search(r"\b(LAT_|TODO|XXX|TBD)", page.read_text(encoding="utf-8")), page


def test_readme_is_one_screen() -> None:
    assert len(README.split()) <= MOST_WORDS


def test_readme_has_examples() -> None:
    assert README.count("```python\n") >= 2


def test_what_readme_links_to_is_there() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", README)
    assert len(links) > 10
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.parametrize(("name", "phrase"), [("demo", "nnsearch demo"), ("tests", "scripts/check")])
def test_the_two_commands_are_found(name: str, phrase: str) -> None:
    command = subprocess.run(
        [ROOT / "scripts" / "readme-command", name], capture_output=True, text=True, check=True
    ).stdout
    assert phrase in command
    assert len(command.splitlines()) == 1
