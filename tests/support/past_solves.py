"""Past solves to record, made up or of small loads of trucks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from ortools.sat.python import cp_model

from nnsearch.history import recording
from nnsearch.history.nearness import sketch
from nnsearch.history.past_solve import PastSolution, PastSolve
from nnsearch.history.store import Store
from nnsearch.model.prepared import PreparedModel
from nnsearch.plain_solver import plain_solver
from nnsearch.result import Status

SKETCH = np.arange(64, dtype=np.uint64) << np.uint64(57)


def past_solve(
    number: int = 0, family: str = "jobs", solutions: int = 2, variables: int = 20, created: float | None = None
) -> PastSolve:
    """A solve that differs from that of any other number."""
    rng = np.random.default_rng(number)
    found = [PastSolution(rng.integers(-5, 300, variables), float(number + rank)) for rank in range(solutions)]
    return PastSolve(
        family=family,
        created=1e9 + number if created is None else created,
        status=Status.FEASIBLE if solutions else Status.UNKNOWN,
        objective=float(number) if solutions else None,
        bound=None,
        seconds=1.5,
        found_by="core",
        parameters="num_workers: 2",
        names=tuple(f"start[{index}]" for index in range(variables)),
        solutions=tuple(found),
        improvements={"no_lp": number + 1, "graph_var_lns": 2},
    )


def some_model(number: int = 0, size: int = 3000) -> bytes:
    """Bytes that resemble those of any other number, and do not compress well."""
    content = np.random.default_rng(0).bytes(size)
    return content[:1000] + number.to_bytes(8, "little") + content[1000:]


def same(one: PastSolve, other: PastSolve) -> bool:
    """Tell whether two solves are equal but for their numbers."""

    def fields(solve: PastSolve) -> list[object]:
        return [value for name, value in vars(solve).items() if name not in ("solutions", "number")] + [
            (solution.values.tolist(), solution.objective) for solution in solve.solutions
        ]

    return fields(one) == fields(other)


def sketch_of(number: int) -> npt.NDArray[np.uint64]:
    """A sketch that differs from that of any other number."""
    return SKETCH + np.uint64(number)


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


def record_load(path: Path | str, model: cp_model.CpModel, *, family: str = "loads") -> int:
    """Solve a model by CP-SAT, and keep the answer."""
    solver = plain_solver()
    solver.parameters.num_workers = 1
    solver.solve(model)
    prepared = PreparedModel(model)
    solve = recording.past_solve(
        prepared, solver.response_proto, family=family, seconds=1.0, found_by="cp-sat", parameters=solver.parameters
    )
    with Store(path) as store:
        return store.record(solve, recording.bytes_of(prepared), sketch(prepared))
