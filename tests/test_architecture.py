"""The rooms of the house: which way imports go, and how much fits into a folder."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

from scripts.rooms import PACKAGES, ROOT, cycles, imports, within

SAME_VERBS = {
    "build": "a task, a model",
    "export": "a command, and what it does",
    "find": "of a section of the page",
    "fit": "a network",
    "generate": "instances of a family",
    "groups": "of what a study found",
    "headlines": "of a section of the page",
    "jobs": "of a suite",
    "main": "of a program",
    "measure": "a network, an arm, a suite",
    "payload": "of a page",
    "random_solution": "of a family",
    "read_json": "a file of a family",
    "report": "a command, and its page",
    "section": "of the page",
    "solve": "by one engine or the other",
    "summary": "of a suite's records",
}
"""What several modules each have a function for, and of what; it is called by the module's name, or is the only one."""

MOST_FILES = 14
"""Python files in a folder."""

BACK = {"nnsearch/model/graph.py": {"nnsearch/model/grouping.py", "nnsearch/model/prepared.py"}}
"""The imports that may close a circle: a CandidateGraph's constructors, which are public, call those who build it."""


def test_imports_go_one_way() -> None:
    def place(file: str) -> int:
        return PACKAGES.index(file.partition("/")[0])

    found = imports()
    back = [(file, other) for file, others in found.items() for other in others if place(other) < place(file)]
    assert back == []
    assert within("", found)["examples"] == {"nnsearch"}, "which is all that an installation has"


def test_nothing_imports_itself_round_about() -> None:
    assert cycles({file: others - BACK.get(file, set()) for file, others in imports().items()}) == []


def test_a_folder_has_few_files() -> None:
    files = [path for package in (*PACKAGES, "tests") for path in (ROOT / package).rglob("*.py")]
    count = Counter(path.parent.relative_to(ROOT).as_posix() for path in files)
    assert [folder for folder, number in count.items() if number > MOST_FILES] == []


def test_a_name_is_one_thing() -> None:
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    nodes = [node for path in files for node in ast.parse(path.read_text(encoding="utf-8")).body]
    count = Counter(node.name for node in nodes if isinstance(node, ast.ClassDef | ast.FunctionDef))
    assert {name for name, number in count.items() if number > 1 and name[0] != "_"} == SAME_VERBS.keys()


def test_cycles_and_lazy_imports_are_seen(tmp_path: Path) -> None:
    for name, text in {
        "training/a/x.py": "from training.b import y\nimport numpy\n",
        "training/a/z.py": "",
        "training/b/y.py": "def f():\n    import training.c.w\n",
        "training/c/w.py": "from training.a.z import anything\n",
        "training/c/v.py": "from training.c.w import f\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    found = imports(tmp_path)
    assert found["training/a/x.py"] == {"training/b/y.py"}
    assert found["training/b/y.py"] == {"training/c/w.py"}
    assert cycles(found) == [("training/a", "training/b", "training/c")]
