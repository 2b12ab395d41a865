"""Small loads of trucks that were solved, in a history."""

from __future__ import annotations

from pathlib import Path

from ortools.sat.python import cp_model

from nnsearch.history.nearness import sketch
from nnsearch.history.recording import bytes_of, past_solve
from nnsearch.history.store import Store
from nnsearch.model.prepared import PreparedModel
from nnsearch.plain_solver import plain_solver


def load(number: int, *, maximise: bool = True, room: int = 20) -> cp_model.CpModel:
    """Things to take, each worth something else from one number to the next; no room is no solution."""
    model = cp_model.CpModel()
    x = [model.new_bool_var(f"x{i}") for i in range(12)]
    model.add(sum((i % 4 + 2) * v for i, v in enumerate(x)) <= room)
    total = sum((i * (number + 3) % 11 + 1) * v for i, v in enumerate(x))
    if maximise:
        model.maximize(total)
    else:
        model.minimize(100 - total)
    return model


def record(path: Path | str, model: cp_model.CpModel, *, family: str = "loads") -> int:
    """Solve a model by CP-SAT, and keep the answer."""
    solver = plain_solver()
    solver.parameters.num_workers = 1
    solver.solve(model)
    prepared = PreparedModel(model)
    solve = past_solve(
        prepared, solver.response_proto, family=family, seconds=1.0, found_by="cp-sat", parameters=solver.parameters
    )
    with Store(path) as store:
        return store.record(solve, bytes_of(prepared), sketch(prepared))
