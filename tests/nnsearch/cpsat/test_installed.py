"""The drop-in solver where a program or a library makes its own solver."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from ortools.sat.python import cp_model
from ortools.sat.python.cp_model import CpSolver as ImportedByName

import nnsearch.cpsat
from nnsearch.cpsat import CpSolver
from nnsearch.errors import ConfigError, ModelFileError


def latin_square(order: int = 6) -> cp_model.CpModel:
    model = cp_model.CpModel()
    cells = [[model.new_int_var(0, order - 1, "") for _ in range(order)] for _ in range(order)]
    for line in [*cells, *zip(*cells, strict=True)]:
        model.add_all_different(line)
    return model


@pytest.fixture(autouse=True)
def nothing_stays_installed() -> Iterator[None]:
    yield
    assert type(cp_model.CpSolver()) is cp_model.CpSolver
    assert threading.active_count() < 20


def test_it_does_not_matter_how_the_class_was_imported() -> None:
    with nnsearch.cpsat.installed():
        for solver in (cp_model.CpSolver(), ImportedByName()):
            assert isinstance(solver, CpSolver)
            solver.parameters.num_workers = 2
            assert solver.solve(latin_square()) == cp_model.OPTIMAL
            assert solver.race is not None
    assert type(ImportedByName()) is ImportedByName


def test_arguments_reach_the_solver_and_other_solvers_stay_as_they_are() -> None:
    class Own(cp_model.CpSolver):  # type: ignore[misc]
        pass

    with nnsearch.cpsat.installed(None):
        solver = cp_model.CpSolver()
        assert isinstance(solver, CpSolver)
        assert solver.solve(latin_square()) == cp_model.OPTIMAL
        assert solver.race is not None
        assert solver.race.why == "there is no scorer"
        assert type(Own()) is Own
        assert type(CpSolver("bp")) is CpSolver


def test_the_last_one_holds_and_each_can_be_undone() -> None:
    nnsearch.cpsat.install()
    with nnsearch.cpsat.installed(None):
        nnsearch.cpsat.install(None)
        nnsearch.cpsat.uninstall()
    assert isinstance(cp_model.CpSolver(), CpSolver)
    nnsearch.cpsat.uninstall()
    with pytest.raises(ConfigError, match="there is none"):
        nnsearch.cpsat.uninstall()


def test_what_cannot_be_installed_is_refused_where_it_is_said() -> None:
    with pytest.raises(ModelFileError):
        nnsearch.cpsat.install("no such network")
    with pytest.raises(ConfigError, match="on_error"):
        nnsearch.cpsat.install(on_error="never")  # type: ignore[arg-type]


def test_an_exception_ends_it() -> None:
    with pytest.raises(LookupError), nnsearch.cpsat.installed():
        raise LookupError


@pytest.mark.parametrize("scorer", ["bp", None])
def test_the_class_may_be_assigned(scorer: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """What people try first; a race that called itself would start threads until nothing moves."""
    monkeypatch.setattr(cp_model, "CpSolver", CpSolver)
    solver = cp_model.CpSolver(scorer)
    solver.parameters.num_workers = 2
    assert solver.solve(latin_square(12)) == cp_model.OPTIMAL
    monkeypatch.undo()


@pytest.mark.parametrize("way", ["cp_model.CpSolver = nnsearch.cpsat.CpSolver", "nnsearch.cpsat.install()"])
def test_a_program_that_begins_with_it(way: str) -> None:
    program = f"""
from ortools.sat.python import cp_model
import nnsearch.cpsat
{way}
model = cp_model.CpModel()
x = [model.new_int_var(0, 9, "") for _ in range(10)]
model.add_all_different(x)
model.maximize(x[0] - x[1])
solver = cp_model.CpSolver()
assert solver.solve(model) == cp_model.OPTIMAL
print(solver.objective_value, solver.race)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("9.0 ")


def test_cpmpy_solves_with_it() -> None:
    cp = pytest.importorskip("cpmpy", reason="needs the extra dev")
    cells = cp.intvar(1, 8, shape=(8, 8))
    model = cp.Model([cp.AllDifferent(row) for row in cells], [cp.AllDifferent(column) for column in cells.T])
    model += cells[0, 0] + cells[7, 7] >= 15
    with nnsearch.cpsat.installed():
        solver = cp.SolverLookup.get("ortools", model)
        assert isinstance(solver.ort_solver, CpSolver)
        assert solver.solve(num_workers=2)
        assert solver.ort_solver.race is not None
    assert all(sorted(row) == list(range(1, 9)) for row in cells.value().tolist())
    model.minimize(cp.sum(cells[0, :4]))
    solver = cp.SolverLookup.get("ortools", model)
    solver.ort_solver = CpSolver()  # the other way, for one solver
    assert solver.solve(num_workers=2)
    assert solver.objective_value() == 7 + 1 + 2 + 3


def test_pyjobshop_solves_with_it() -> None:
    pyjobshop = pytest.importorskip("pyjobshop", reason="needs the extra dev")
    model = pyjobshop.Model()
    machines = [model.add_machine() for _ in range(3)]
    for job in range(3):
        tasks = [model.add_task() for _ in machines]
        for place, task in enumerate(tasks):
            model.add_mode(task, machines[(job + place) % 3], duration=2 + job)
        for one, other in itertools.pairwise(tasks):
            model.add_end_before_start(one, other)
    plain = model.solve(solver="ortools", num_workers=2, display=False)
    with nnsearch.cpsat.installed():
        learned = model.solve(solver="ortools", num_workers=2, display=False)
    assert learned.status == plain.status
    assert learned.objective == plain.objective
