import re
import subprocess
from pathlib import Path

import pytest

from nnsearch.inference.pretrained import pretrained_models

ROOT = Path(__file__).parents[1]
PYTHON_BLOCKS = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)


def test_no_figure_is_left_to_fill_in() -> None:
    for page in [ROOT / "README.md", *(ROOT / "models").glob("*.md"), ROOT / "benchmarks" / "README.md"]:
        assert not re.search(r"\b(LAT_|TODO|XXX|TBD)", page.read_text()), page


def test_readme_has_examples() -> None:
    assert len(PYTHON_BLOCKS) >= 2


@pytest.mark.parametrize("block", PYTHON_BLOCKS)
def test_python_examples_run(block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # for files that an example writes
    assert pretrained_models()
    block = re.sub(r"(max_time_in_seconds = )\d+", r"\g<1>2", block)  # what is proved late would take all of a limit
    exec(compile(block, "README.md", "exec"), {})


@pytest.mark.parametrize(("name", "phrase"), [("demo", "nnsearch demo"), ("tests", "scripts/check")])
def test_the_two_commands_are_found(name: str, phrase: str) -> None:
    command = subprocess.run(
        [ROOT / "scripts" / "readme-command", name], capture_output=True, text=True, check=True
    ).stdout
    assert phrase in command
    assert len(command.splitlines()) == 1
