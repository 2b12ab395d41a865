"""CONTRIBUTING.md is true: its drawing is that of the imports, its rooms exist, and its templates work."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest
from ortools.sat.python import cp_model
from stand_ins import ENVIRONMENT, engine_solutions

from nnsearch.cp.constraints import KINDS
from nnsearch.cp.translate import translate
from scripts.rooms import PACKAGES, ROOT, drawing, imports

PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
TEMPLATES = dict(re.findall(r"^```python\n# (\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
"""Path -> content."""

MOST_LINES = 25


def test_the_drawing_is_that_of_the_imports() -> None:
    (drawn,) = re.findall(r"^```mermaid\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert drawn == drawing(imports()), "run: python scripts/rooms.py --write"


def test_the_rooms_of_the_table_are_those_that_exist() -> None:
    listed = {room for row in re.findall(r"^\| (.*?) \|", PAGE, re.MULTILINE) for room in re.findall(r"`(.*?)/`", row)}
    rooms = {file.rpartition("/")[0] for file in imports()}
    assert {room for room in rooms if room.count("/") < 2} <= listed
    assert [room for room in listed if not (ROOT / room).is_dir()] == []


def test_templates_are_short() -> None:
    assert PAGE.count("```python\n") == len(TEMPLATES)
    assert {path: text.count("\n") for path, text in TEMPLATES.items() if text.count("\n") > MOST_LINES} == {}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages with the problem of the template among the others."""
    house = tmp_path_factory.mktemp("house")
    for package in PACKAGES:
        shutil.copytree(
            ROOT / package, house / package, ignore=shutil.ignore_patterns("results", "plots", "__pycache__")
        )
    (house / "models").symlink_to(ROOT / "models")
    for path, text in TEMPLATES.items():
        (house / path).parent.mkdir(exist_ok=True)
        (house / path).write_text(text, encoding="utf-8")
    families = house / "nnsearch" / "problems" / "families.py"
    text = families.read_text(encoding="utf-8").replace("import cp_model,", "import coins, cp_model,")
    families.write_text(text.replace("cp_model.FAMILY,", "cp_model.FAMILY, coins.FAMILY,"), encoding="utf-8")
    return house


def run(house: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**ENVIRONMENT, "PYTHONPATH": str(house)}
    return subprocess.run([sys.executable, *arguments], cwd=house, env=environment, capture_output=True, text=True)


@pytest.mark.slow
def test_the_problem_of_the_template_is_read_solved_and_shown(house: Path) -> None:
    (house / "purse.coins").write_text("30\n1 2 7 20 50\n", encoding="utf-8")
    done = run(house, "-m", "nnsearch", "solve", "purse.coins", "--engine", "cp-sat")
    assert "1 1 1 1 0\n" in done.stdout, done.stderr
    (house / "purse.coins").write_text("30\n1 -2\n", encoding="utf-8")
    refused = run(house, "-m", "nnsearch", "solve", "purse.coins").stderr
    assert refused == "error: purse.coins: expected an amount, then coins, got a list\n"


@pytest.mark.slow
def test_the_problem_of_the_template_is_generated(house: Path) -> None:
    script = """if True:
        from benchmarks.instances import instance_sets
        from nnsearch.problems.coins import generate
        assert "coins:COINS" in instance_sets.FORMS
        cases = instance_sets.generate("coins:12", 3, 1)
        for (instance, solution), case in zip(generate(12, 3, 1), cases, strict=True):
            assert instance == case.instance and instance.is_solution(solution)
    """
    done = run(house, "-c", script)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("enforced", [False, True])
def test_the_constraint_of_the_template_has_the_same_solutions(enforced: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    made: dict[str, object] = {}
    exec(TEMPLATES["nnsearch/cp/constraints/choice.py"], made)
    monkeypatch.setitem(KINDS, "exactly_one", made["add_exactly_one"])
    model = cp_model.CpModel()
    literals = [model.new_bool_var(f"b{i}") for i in range(4)]
    constraint = model.add_exactly_one(literals[:3])
    if enforced:
        constraint.only_enforce_if(literals[3])
    expected = [b for b in product((0, 1), repeat=4) if sum(b[:3]) == 1 or (enforced and not b[3])]
    assert engine_solutions(translate(model)) == expected


@pytest.mark.slow
def test_the_scorer_of_the_template_is_taken_wherever_a_network_is(house: Path) -> None:
    script = """if True:
        import nnsearch
        from nnsearch import cp, cpsat
        from nnsearch.problems.latin_square import LatinSquare
        from nnsearch.scorers.counting import Counting
        square = [1, 2, 3, 4, 2, 1, 4, 3, 3, 4, 1, 2, 4, 3, 2, 1]
        counting, build = Counting([square, square]), LatinSquare(4).build
        assert cp.solve(*build(), counting).solution == square
        assert cpsat.solve_by_dives(build()[0], [nnsearch.cached(counting)]).solution == square
        for processes in (1, 2):
            many = nnsearch.solve_many([build() for _ in range(3)], counting, processes=processes)
            assert [one.result.solution for one in many] == [square] * 3
        try:
            cp.solve(*build(), Counting([[0] * 16]))
        except nnsearch.NNSearchError as error:
            print(type(error).__name__)
    """
    done = run(house, "-c", script)
    assert (done.returncode, done.stdout, done.stderr) == (0, "NothingToReadError\n", "")


@pytest.mark.slow
def test_the_training_task_of_the_template_learns_and_resumes(house: Path) -> None:
    script = """if True:
        from pathlib import Path
        from training.tasks.average import average
        whole = average([1.0, 2.0, 6.0], Path("whole"))
        assert abs(whole[0] - 3) < 1e-3 and whole[1] == 200
        average([1.0, 2.0, 6.0], Path("parts"), steps=70)
        assert average([1.0, 2.0, 6.0], Path("parts")) == whole
        try:
            average([5.0], Path("parts"))
        except Exception as error:
            print(error)
    """
    done = run(house, "-c", script)
    assert (done.returncode, done.stdout) == (0, "parts holds an average of other numbers; choose another folder\n")


@pytest.mark.slow
def test_the_suite_of_the_template_measures_once(house: Path) -> None:
    script = """if True:
        from pathlib import Path
        from benchmarks.records import run_jobs
        from benchmarks.rendering.text import text
        from benchmarks.suites.building import jobs, summary
        first = run_jobs(Path("building.jsonl"), jobs([3, 5]), threads=1)
        assert run_jobs(Path("building.jsonl"), jobs([3, 5]), threads=1) == first
        print(text(summary(first)))
    """
    done = run(house, "-c", script)
    assert done.returncode == 0, done.stderr
    assert "Building Latin squares" in done.stdout
    assert [line.split()[:2] for line in done.stdout.splitlines()[-2:]] == [["3", "6"], ["5", "10"]]
