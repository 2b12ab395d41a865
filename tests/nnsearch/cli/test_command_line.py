from __future__ import annotations

import subprocess
import sys

import pytest
from stand_ins import COMMAND, ENVIRONMENT, ROOT

DEMO = str(ROOT / "nnsearch" / "demo.dzn")


@pytest.mark.parametrize(
    "words",
    [
        ["nnsearch", "solve", DEMO, "--failure-limit", "1.5"],
        ["nnsearch", "solve", DEMO, "--seed", "0x10"],
        ["nnsearch", "solve", DEMO, "--engine", "race", "--workers", "2.9"],
        ["training", "pool", "--order", "5.5", "--out", "p.npz"],
        ["benchmarks", "feasibility", "--order", "5", "6.5"],
    ],
    ids=" ".join,
)
def test_a_fraction_is_no_whole_number(words: list[str]) -> None:
    done = subprocess.run([COMMAND[0], "-m", *words], cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"invalid int value: '{words[-1] if words[-1] != 'p.npz' else '5.5'}'" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("package", ["nnsearch", "training", "benchmarks"])
def test_a_reader_of_help_may_go_away(package: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", package, "--help"],
        cwd=ROOT,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(60) == 0
