"""The pages that people read, and the code in them: it runs from top to bottom, each page in a folder of its own.

A block of Python or of a shell is run; one of ``output`` is compared with what the block before it has printed, where
numbers may differ. A block that is not run has a reason before it, ``<!-- skip: next "WHY" -->``.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import SkipTest

from sybil import Document, Example, Sybil
from sybil.document import PythonDocument
from sybil.parsers.markdown import CodeBlockParser, SkipParser

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.md"))
RUN = ("python", "sh")
SHOWN = ("output", "text", "toml", "json", "csv")
"""Languages of blocks that are there to be read."""

SHORTER = (
    (r"(max_time_in_seconds = )\d+", r"\g<1>2"),
    (r"(--(?:seconds|time-limit|limit) )\d+", r"\g<1>1"),
    (r"(--count )\d\d+", r"\g<1>4"),
    (r"(--seeds )1 2 3\b", r"\g<1>1"),
    (r"(--instances )\d\b", r"\g<1>1"),
    (r"(-m benchmarks family .*)", r"\1 --size tiny"),
    (r"(rostering write .*)", r"\1 --rosters 20"),
    (r"(-m training fit --models .*)", r"\1 --set train.steps=10 --set network.rounds=1"),
    (r"(-m training fit --cp-model .*)", r"\1 --set train.steps=10 --set network.blocks=1"),
    (r"(-m training fit docs/files/network.toml .*)", r"\1 --set train.presentations=2000"),
)
"""What a test has less of than a reader: what is proved late would take all of a limit."""

LIMIT = 1
"""How ``nnsearch solve`` ends where a limit came before a proof."""

_NUMBER = re.compile(r"-?\d[\d,]*(\.\d+)?(e-?\d+)?")
_FENCE = re.compile(r"^```(\w*)", re.MULTILINE)


def name_of(page: Path) -> str:
    """Return what a test of a page is called."""
    return page.relative_to(ROOT).as_posix()


def languages_of(page: Path) -> list[str]:
    """Return the language of each block of code, empty where there is none."""
    return _FENCE.findall(page.read_text(encoding="utf-8"))[::2]


def examples_of(page: Path) -> list[Example]:
    """Return the blocks that run, those that are compared, and the reasons for those that are left out, in order."""
    return list(_READER.parse(page).examples())


def run_page(page: Path) -> None:
    """Run a page in the current folder, which looks like a clone from then on."""
    for path in ROOT.iterdir():
        if path.name in ("benchmarks", "docs", "examples", "models", "nnsearch", "training"):
            Path(path.name).symlink_to(path)
    for example in examples_of(page):
        with contextlib.suppress(SkipTest):
            example.evaluate()


def _shorter(code: str) -> str:
    for pattern, replacement in SHORTER:
        code = re.sub(pattern, replacement, code)
    return code


def _run_python(example: Example) -> None:
    # On the lines of the page, so that a traceback tells where.
    source = "\n" * (example.line + example.parsed.line_offset) + _shorter(example.parsed)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(source, example.path, "exec"), example.namespace)
    example.namespace["_printed"] = printed.getvalue()


def _run_shell(example: Example) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "COLUMNS": "120"}
    command = ["bash", "-euo", "pipefail", "-c", _shorter(example.parsed)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    last = example.parsed.strip().splitlines()[-1]
    ends = (0, LIMIT) if last.startswith("nnsearch solve ") else (0,)
    told = f"{example.path}:{example.line}: {done.stdout}{done.stderr}"
    assert done.returncode in ends, told
    assert "Traceback" not in done.stderr, told
    example.namespace["_printed"] = done.stdout


def _compare(example: Example) -> None:
    wanted, printed = (_NUMBER.sub("0", text).split() for text in (example.parsed, example.namespace["_printed"]))
    assert printed == wanted, f"{example.path}:{example.line}: {example.namespace['_printed']}"


_READER = Sybil(
    [
        CodeBlockParser("python", _run_python),
        CodeBlockParser("sh", _run_shell),
        CodeBlockParser("output", _compare),
        SkipParser(),
    ],
    document_types={".md": Document, ".py": PythonDocument},
)


def reasons_of(page: Path) -> Iterator[str | None]:
    """Yield why each block that does not run is left out, None where nothing is said."""
    for example in examples_of(page):
        if isinstance(example.parsed, tuple):
            action, reason = example.parsed
            assert action == "next", f"{example.path}:{example.line}: expected one block to be left out, got {action}"
            yield reason
