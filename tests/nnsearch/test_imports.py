from __future__ import annotations

import subprocess
import sys

from stand_ins import ENVIRONMENT

IMPORT_ALL = """
import importlib, pkgutil, sys
import nnsearch
LATER = "compiling.making", "compiled.machine_code"
for module in pkgutil.walk_packages(nnsearch.__path__, "nnsearch."):
    if not module.name.endswith(("__main__", "schedules.moves", "annealing.walk", "compiled.drawing", *LATER)):
        importlib.import_module(module.name)  # those are loaded when they are needed
modules = {name.partition(".")[0] for name in sys.modules}
heavy = {"torch", "onnx", "onnxscript", "matplotlib", "numba", "llvmlite", "tensorboard", "tqdm"}
heavy |= {"training", "benchmarks"}
assert "nnsearch.cp.value_phase" in sys.modules
sys.exit(", ".join(sorted(modules & heavy)) or 0)
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python anew."""
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env=ENVIRONMENT, timeout=120, check=False
    )


def test_importing_everything_loads_nothing_heavy_and_prints_nothing() -> None:
    done = run("-W", "error::DeprecationWarning:nnsearch", "-c", IMPORT_ALL)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


IMPORT_WITHOUT_HISTORY = """
import sys
import nnsearch, nnsearch.cpsat, nnsearch.cli.main, nnsearch.history.past_solve
assert nnsearch.cpsat.CpSolver and nnsearch.Scorer
sys.exit(", ".join({"sqlalchemy", "sqlite3", "psycopg", "zstandard"} & set(sys.modules)) or 0)
"""


def test_what_a_history_needs_is_loaded_when_one_is_opened() -> None:
    done = run("-c", IMPORT_WITHOUT_HISTORY)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
