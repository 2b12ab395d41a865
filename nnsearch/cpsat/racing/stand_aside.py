"""Where a race makes no sense, and CP-SAT has a solve for itself."""

from __future__ import annotations

from ortools.sat.python import cp_model
from ortools.sat.python import cp_model_helper as cmh

from nnsearch.model.prepared import PreparedModel

_WIDTH_LIMIT = 2**31  # of a domain; bounds creep up one by one in some models

_ONE_WAY = {
    "enumerate_all_solutions": "all solutions are asked for",
    "fill_additional_solutions_in_response": "more than one solution is asked for",
    "fill_tightened_domains_in_response": "tightened domains are asked for",
    "interleave_search": "interleave_search asks for a run that can be repeated",
    "stop_after_presolve": "stop_after_presolve is set",
    "stop_after_root_propagation": "stop_after_root_propagation is set",
    "fix_variables_to_their_hinted_value": "fix_variables_to_their_hinted_value is set",
}


def reason_to_stand_aside(model: cp_model.CpModel, parameters: cmh.SatParameters) -> str | None:
    """Return why CP-SAT should have this solve for itself, None if a race makes sense.

    Args:
        model: the model.
        parameters: the user's.
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
    return None


def too_wide(model: PreparedModel) -> str | None:
    """Return why the engine's first propagation, which cannot be interrupted, may take long; None if it should not."""
    for name, domain in zip(model.names, model.domains, strict=True):
        if domain and domain[-1] - domain[0] >= _WIDTH_LIMIT:
            return f"the domain of {name} is wider than {_WIDTH_LIMIT}"
    return None
