"""The best solution of several solves at a time."""

from __future__ import annotations

import threading
from typing import cast
from unittest.mock import patch

from ortools.sat.python import cp_model_helper as cmh

from nnsearch.cpsat.incumbent import Incumbent
from nnsearch.model.objective import Objective


def response(objective: float) -> cmh.CpSolverResponse:
    found = cmh.CpSolverResponse()
    found.objective_value = objective
    return found


def test_a_better_solution_that_comes_while_another_one_is_adopted_is_kept() -> None:
    class Slow:
        """An objective of which somebody notes a better solution while it is asked."""

        floating = False

        def better(self, one: float, other: float) -> bool:
            if not noted.is_alive() and noted.ident is None:
                noted.start()
                noted.join(0.05)
            return one < other

    incumbent = Incumbent(cast("Objective", Slow()))
    noted = threading.Thread(target=lambda: incumbent.note(response(3.0)))
    incumbent.adopt(response(9.0))
    incumbent.adopt(start := response(5.0))
    noted.join()
    assert incumbent.reached == 3.0
    incumbent.adopt(start)
    assert incumbent.reached == 3.0


def test_an_equal_solution_is_adopted() -> None:
    incumbent = Incumbent(cast("Objective", Equal()))
    incumbent.note(response(5.0))
    incumbent.adopt(start := response(5.0))
    assert incumbent.answer is start


def test_a_listener_is_not_credited_with_what_others_find_meanwhile() -> None:
    class Overtaken(Incumbent):
        """Somebody else notes a better solution just before each."""

        def note(self, found: cmh.CpSolverResponse) -> float | None:
            super().note(response(1.0))
            return super().note(found)

    incumbent = Overtaken(cast("Objective", Least()))
    heard = incumbent.listener()
    found = heard.found
    with patch.object(type(heard), "response_proto", response(2.0), create=True):
        heard.on_solution_callback()
    assert incumbent.reached == 1.0
    assert heard.reached is None
    assert heard.found > found  # though not in vain: a neighbourhood that gets better goes on


class Least:
    """An objective that is minimised."""

    floating = False

    def better(self, one: float, other: float) -> bool:
        return one < other


class Equal:
    """An objective of which all values are as good."""

    floating = False

    def better(self, one: float, other: float) -> bool:
        return False
