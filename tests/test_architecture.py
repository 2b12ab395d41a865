"""The rooms of the house: which way imports go, and how much fits into a folder."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from scripts.rooms import PACKAGES, ROOT, cycles, imports

MOST_FILES = 14
"""Python files in a folder."""

KNOWN_TO_BE_FULL = {"benchmarks/report"}
"""To be divided; none is to be added."""

KNOWN_CYCLES = (
    {"benchmarks/studies/cl_ste/tasks", "benchmarks/studies/cl_ste/training"},
    {"nnsearch/inference", "nnsearch/scorers"},
    {"nnsearch/many", "nnsearch/processes"},
    {
        f"nnsearch/model/{file}.py"
        for file in ("domains", "graph", "grouping", "other_groups", "prepared", "row_groups")
    },
    {"training/data", "training/export", "training/running", "training/tasks"},
)
"""To be taken apart; none is to be added."""


def test_imports_go_one_way() -> None:
    def place(file: str) -> int:
        return PACKAGES.index(file.partition("/")[0])

    back = [(file, other) for file, others in imports().items() for other in others if place(other) < place(file)]
    assert back == []


def test_no_rooms_import_each_other_round_about() -> None:
    assert [group for group in cycles(imports()) if not any(known.issuperset(group) for known in KNOWN_CYCLES)] == []


def test_a_folder_has_few_files() -> None:
    files = [path for package in (*PACKAGES, "tests") for path in (ROOT / package).rglob("*.py")]
    count = Counter(path.parent.relative_to(ROOT).as_posix() for path in files)
    full = {folder for folder, number in count.items() if number > MOST_FILES}
    assert full <= KNOWN_TO_BE_FULL


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
