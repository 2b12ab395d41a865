"""A model of the user's own, and solutions that were used before: what preferences do they hold?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from ortools.sat.python import cp_model

from nnsearch.errors import PoolError
from nnsearch.history.solution_table import read_solution_table
from nnsearch.model.graph import CandidateGraph
from nnsearch.model.objective import read_objective
from nnsearch.problems.reading import read_problem
from training.data.graph_states import PlantedState, planted_state


@dataclass(frozen=True, eq=False)
class SolvedStates:
    """States of one model: a random number of variables assigned as in one of its solutions, int64[S, V]."""

    graph: CandidateGraph
    solutions: npt.NDArray[np.int64]
    name = "cp-model"

    def draw(self, rng: np.random.Generator, tight: bool) -> PlantedState:
        """See :class:`training.data.families.Family`; tight is at most half of the variables assigned."""
        solution = self.solutions[rng.integers(len(self.solutions))]
        assigned = rng.random(self.graph.num_variables) < rng.uniform(0, 0.5 if tight else 0.95)
        return planted_state(self.graph, solution, assigned)


@dataclass(frozen=True, eq=False)
class UserModel:
    """A user's model with its solutions, split by solution, and the values of each variable by name."""

    model: cp_model.CpModel
    graph: CandidateGraph
    identities: Mapping[str, Sequence[int]]
    training: SolvedStates
    held_out: SolvedStates


def read_user_model(model_file: Path, history: Path, held_out: float, seed: int) -> UserModel:
    """Read a CpModelProto and its historical solutions.

    Args:
        model_file: ``.pb``, ``.binpb``, ``.pbtxt`` or ``.textproto``.
        history: ``.csv``; the first line names variables, each other line gives their values in one solution. Columns
            may come in any order and may leave out variables that the others determine, alone or together with the
            objective: the slack of a soft constraint is as small as it can be.
        held_out: share of the solutions for validation.
        seed: of the split.

    Raises:
        InstanceError: the model cannot be read.
        GraphError: the model has nothing to encode.
        PoolError: the solutions are malformed, name other variables, or violate the model; the message names the row.
    """
    model, _ = read_problem(str(model_file), "cp-model").build()
    graph = CandidateGraph.from_model(model)
    counts = Counter(graph.names)
    if len(counts) < len(graph.names):
        doubled = min(name for name, count in counts.items() if count > 1)
        raise PoolError(f"{model_file}: expected variables with distinct names, got {doubled!r} twice")
    rows = read_solution_table(history, graph.names)
    solutions = _complete(model, graph.names, rows, history)
    distinct = np.unique(solutions, axis=0)
    if len(distinct) < 2:
        raise PoolError(f"{history}: expected 2 or more distinct solutions, got {len(distinct)}")
    order = np.random.default_rng(seed).permutation(len(distinct))
    count = min(len(distinct) - 1, max(1, round(held_out * len(distinct))))
    bounds = graph.offset.tolist()
    identities = {
        name: graph.values[low:high].tolist()
        for name, low, high in zip(graph.names, bounds[:-1], bounds[1:], strict=True)
        if high > low
    }
    known = graph.identified(identities)
    return UserModel(
        model,
        known,
        identities,
        SolvedStates(known, distinct[order[count:]]),
        SolvedStates(known, distinct[order[:count]]),
    )


def one_worker(seconds: float = 60.0) -> cp_model.CpSolver:
    """Return a solver that Ctrl-C ends."""
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.catch_sigint_signal = False  # it would leave Ctrl-C to the system
    solver.parameters.max_time_in_seconds = seconds
    return solver


def _check_determined(
    fixed: cp_model.CpModel,
    missing: Sequence[str],
    index: Mapping[str, int],
    solution: npt.NDArray[np.int64],
    where: str,
) -> None:
    """Refuse columns left out that the others do not determine: a network would learn what the solver made up.

    With an objective, another completion counts if it is as good.
    """
    objective = read_objective(fixed.proto)
    if objective is not None:
        terms = [fixed.get_int_var_from_proto_index(v) for v in objective.variables], objective.coefficients
        fixed.add(cp_model.LinearExpr.weighted_sum(*terms) <= objective.of(solution.tolist()))
        fixed.clear_objective()
    differs = []
    for name in missing:
        variable = fixed.get_int_var_from_proto_index(index[name])
        other = fixed.new_bool_var("")
        fixed.add(variable != int(solution[index[name]])).only_enforce_if(other)
        differs.append(other)
    fixed.add_bool_or(differs)
    solver = one_worker()
    if solver.solve(fixed) in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        name = next(name for name, other in zip(missing, differs, strict=True) if solver.value(other))
        raise PoolError(f"{where}: expected columns that determine the solution, {name} is still free; give its column")


def _complete(
    model: cp_model.CpModel, names: Sequence[str], rows: list[tuple[int, dict[str, int]]], path: Path
) -> npt.NDArray[np.int64]:
    """Return int64[S, V]: every row checked against the model, with the variables that it does not name."""
    index = {name: i for i, name in enumerate(names)}
    solutions = np.empty((len(rows), len(names)), dtype=np.int64)
    missing = [name for name in names if name not in rows[0][1]]
    for number, (line, row) in enumerate(rows):
        fixed = model.clone()
        if not missing or not fixed.proto.has_objective():
            fixed.clear_objective()  # one of floating-point numbers, too, for which CP-SAT's optimum is approximate
        for name, value in row.items():
            domain = list(model.proto.variables[index[name]].domain)
            if not any(low <= value <= high for low, high in zip(domain[::2], domain[1::2], strict=True)):
                raise PoolError(f"{path}:{line}: expected a value of the domain of {name}, got {value}")
            fixed.add(fixed.get_int_var_from_proto_index(index[name]) == value)
        solver = one_worker()
        status = solver.solve(fixed)
        if status == cp_model.UNKNOWN or (status == cp_model.FEASIBLE and fixed.has_objective()):
            raise PoolError(
                f"{path}:{line}: expected a row that can be completed within 60 s; give the columns of more variables"
            )
        if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            raise PoolError(
                f"{path}:{line}: expected a solution of the model, this row violates it; remove the row, "
                "or check that the file belongs to this model"
            )
        solutions[number] = [solver.value(fixed.get_int_var_from_proto_index(i)) for i in range(len(names))]
        if number == 0:
            _check_determined(fixed, missing, index, solutions[0], f"{path}:{line}")
    return solutions
