"""Where a race makes no sense, and CP-SAT has a solve for itself."""

from __future__ import annotations

from typing import Any

from ortools.sat.python import cp_model
from ortools.sat.python import cp_model_helper as cmh

from nnsearch.graph import MAX_VALUES

_SAMPLE = 16  # of each kind; Python needs microseconds to look at one, and easy models are solved in milliseconds
_SECONDS_PER_TERM = 50e-6  # to translate one, and to find its groups
_SECONDS_PER_CANDIDATE = 3e-6  # to group and to score one
_PREPARATION_LIMIT = 20.0  # seconds; the preparation cannot be interrupted
_WIDTH_LIMIT = 2**31  # of a domain; bounds creep up one by one in some models

_ONE_WAY = {
    "enumerate_all_solutions": "all solutions are asked for",
    "fill_additional_solutions_in_response": "more than one solution is asked for",
    "fill_tightened_domains_in_response": "tightened domains are asked for",
    "interleave_search": "interleave_search asks for a run that can be repeated",
    "stop_after_first_solution": "stop_after_first_solution is set",
    "stop_after_presolve": "stop_after_presolve is set",
    "stop_after_root_propagation": "stop_after_root_propagation is set",
    "fix_variables_to_their_hinted_value": "fix_variables_to_their_hinted_value is set",
}


def preparation_seconds(model: cp_model.CpModel) -> float:
    """Estimate from a sample how long the learned search would read the model before its first decision."""
    variables, constraints = model.proto.variables, model.proto.constraints
    terms = len(constraints) * _mean([_terms(constraints[i]) for i in _sample(len(constraints))])
    candidates = len(variables) * _mean([_candidates(variables[i]) for i in _sample(len(variables))])
    return (len(variables) + terms) * _SECONDS_PER_TERM + candidates * _SECONDS_PER_CANDIDATE


def reason_to_stand_aside(
    model: cp_model.CpModel, parameters: cmh.SatParameters, preparation: float, slice_seconds: float
) -> str | None:
    """Return why CP-SAT should have this solve for itself, None if a race makes sense.

    Args:
        model: the model.
        parameters: the user's.
        preparation: see :func:`preparation_seconds`.
        slice_seconds: see :class:`nnsearch.cpsat.RaceOptions`.
    """
    for name, reason in _ONE_WAY.items():
        if getattr(parameters, name):
            return reason
    if len(model.proto.assumptions):
        return "the model has assumptions"
    usual = cmh.SatParameters()
    for name in ("max_deterministic_time", "max_number_of_conflicts"):
        if getattr(parameters, name) != getattr(usual, name):
            return f"{name} asks for a run that can be repeated"
    if parameters.search_branching == cp_model.FIXED_SEARCH:
        return "the order of the search is fixed"
    if parameters.num_workers < 0 or parameters.num_search_workers < 0:
        return "the number of workers is negative"
    if parameters.num_workers and parameters.num_search_workers:
        return "num_workers and num_search_workers are both set"
    if not parameters.max_time_in_seconds > 0:
        return "there is no time"
    alone = (parameters.num_workers or parameters.num_search_workers) == 1
    most = slice_seconds if alone or model.has_objective() else _PREPARATION_LIMIT
    if preparation > most:
        return f"the model is large: the learned search would read for about {preparation:.1f}s"
    return None


def too_wide(model: cp_model.CpModel) -> str | None:
    """Return why the engine's first propagation, which cannot be interrupted, may take long; None if it should not.

    Looks at every variable, so it is for the time that CP-SAT is at work.
    """
    for variable in model.proto.variables:
        if _width(variable) > _WIDTH_LIMIT:
            return f"the domain of {variable.name or 'a variable'} is wider than {_WIDTH_LIMIT}"
    return None


def _sample(count: int) -> range:
    return range(0, count, max(count // _SAMPLE, 1))


def _mean(sizes: list[int]) -> float:
    return sum(sizes) / len(sizes) if sizes else 0.0


def _candidates(variable: Any) -> int:
    width = _width(variable)
    return width if width <= MAX_VALUES else 0  # graphs leave those out


def _width(variable: Any) -> int:
    domain = variable.domain
    # These containers have no negative indices: [-1] gives 0 without a word.
    return domain[len(domain) - 1] - domain[0] + 1 if len(domain) else 0


def _terms(constraint: Any) -> int:
    if constraint.has_linear():
        return 1 + len(constraint.linear.vars)
    if constraint.has_table():
        return 1 + len(constraint.table.values)
    for kind in ("bool_or", "at_most_one", "exactly_one", "bool_and", "bool_xor"):
        if getattr(constraint, f"has_{kind}")():
            return 1 + len(getattr(constraint, kind).literals)
    if constraint.has_all_diff():
        return 1 + len(constraint.all_diff.exprs)
    if constraint.has_circuit():
        return 1 + len(constraint.circuit.literals)
    if constraint.has_element():
        return 1 + len(constraint.element.exprs)
    return 1
