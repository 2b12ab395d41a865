from __future__ import annotations

import sys

from ortools.sat.python import cp_model

from nnsearch.cpsat import CpSolver
from nnsearch.cpsat.racing.prompt_threads import PromptThreads


class Seen(cp_model.CpSolverSolutionCallback):  # type: ignore[misc]
    interval = 0.0

    def on_solution_callback(self) -> None:
        self.interval = sys.getswitchinterval()


def test_while_a_race_runs_a_thread_waits_a_tenth_as_long_for_the_interpreter() -> None:
    usual = sys.getswitchinterval()
    model = cp_model.CpModel()
    model.maximize(model.new_int_var(0, 3, "x"))
    seen = Seen()
    CpSolver().solve(model, seen)
    assert 0 < seen.interval <= usual / 9
    assert sys.getswitchinterval() == usual


def test_contexts_that_overlap_end_with_the_last() -> None:
    usual = sys.getswitchinterval()
    first, second = PromptThreads(), PromptThreads()
    first.__enter__()
    short = sys.getswitchinterval()
    second.__enter__()
    first.__exit__()
    assert sys.getswitchinterval() == short < usual
    second.__exit__()
    assert sys.getswitchinterval() == usual


def test_a_shorter_interval_stays() -> None:
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with PromptThreads():
            assert sys.getswitchinterval() < 2e-5
    finally:
        sys.setswitchinterval(usual)
