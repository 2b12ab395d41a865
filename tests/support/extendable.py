"""By CP-SAT: can an assignment of some variables of a model be completed?"""

from __future__ import annotations

from ortools.sat.python import cp_model

from nnsearch.errors import NNSearchError


def is_extendable(model: cp_model.CpModel, fixed: dict[int, int], time_limit: float = 60.0) -> bool:
    """Tell by CP-SAT whether an assignment of some variables of any model can be completed.

    Args:
        model: the model; it is not changed.
        fixed: values by variable index.
        time_limit: seconds; the answer must be exact, so running into it is an error.

    Raises:
        NNSearchError: CP-SAT gave no answer within the limit.
    """
    candidate = model.clone()
    for variable, value in fixed.items():
        candidate.add(candidate.get_int_var_from_proto_index(variable) == value)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.catch_sigint_signal = False  # it would leave Ctrl-C to the system
    solver.parameters.max_time_in_seconds = time_limit
    status = solver.solve(candidate)
    # A model without an objective is reported OPTIMAL once it is solved; older releases said FEASIBLE.
    if status in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return True
    if status == cp_model.INFEASIBLE:
        return False
    raise NNSearchError(f"CP-SAT said {solver.status_name(status)} within {time_limit:g} s; raise the time limit")
