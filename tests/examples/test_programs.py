"""Every program of ``examples/`` as it is, and those that are notebooks, too."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from example_programs import EXAMPLES, with_constants
from stand_ins import ENVIRONMENT, PATIENCE

from scripts.notebooks import notebook, programs

PROGRAMS = [path.stem for path in sorted(EXAMPLES.glob("[!_]*.py"))]
TRAINS = "train_a_family"
"""Takes minutes; its own test gives it less to train on."""
SMALL: dict[str, dict[str, object]] = {
    "roster_with_history": {"NURSES": "ABCDEF", "DAYS": 7, "DEMAND": {"early": 2, "late": 1, "night": 1}},
    "timetable": {"SIZES": (3, 8)},
}


def test_each_program_has_a_test() -> None:
    assert [f"test_{name}.py" for name in PROGRAMS if not (Path(__file__).parent / f"test_{name}.py").exists()] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in PROGRAMS if name != TRAINS])
def test_a_program_runs_as_it_is(name: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, EXAMPLES / f"{name}.py"], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_the_notebooks_are_those_of_the_programs() -> None:
    expected = {path.with_suffix(".ipynb"): notebook(path.read_text(encoding="utf-8")) for path in programs()}
    assert set(EXAMPLES.glob("*.ipynb")) == expected.keys()
    stale = [path.name for path, text in expected.items() if path.read_text(encoding="utf-8") != text]
    assert stale == [], "run: python scripts/notebooks.py --write"


def test_the_code_of_a_notebook_is_that_of_its_program() -> None:
    for path in programs():
        cells = json.loads(path.with_suffix(".ipynb").read_text(encoding="utf-8"))["cells"]
        code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        program = ast.parse(path.read_text(encoding="utf-8"))
        assert ast.dump(ast.parse(code)) == ast.dump(ast.Module(program.body[1:], []))  # all but the docstring


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_a_notebook_runs_from_its_first_cell_to_its_last(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed: pip install -e '.[dev]'")
    nbformat = pytest.importorskip("nbformat")
    monkeypatch.setenv("PYTHONPATH", ENVIRONMENT["PYTHONPATH"])
    made = nbformat.read(EXAMPLES / f"{name}.ipynb", as_version=4)
    first = next(cell for cell in made.cells if cell.cell_type == "code")
    first.source = with_constants(first.source, **SMALL[name], SECONDS=PATIENCE)
    nbclient.NotebookClient(made, resources={"metadata": {"path": str(tmp_path)}}).execute()
    printed = [
        "".join(output.text for output in cell.get("outputs", []) if output.output_type == "stream")
        for cell in made.cells
    ]
    assert re.search(r" after \d+\.\d s: ", "".join(printed)), "the words of the race"
    assert printed[-1]
