"""Where a race makes no sense, and CP-SAT has a solve for itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ortools.sat.python import cp_model
from ortools.sat.python import cp_model_helper as cmh

from nnsearch.model.graph import MAX_VALUES

_SAMPLE = 16  # of each kind; Python needs microseconds to look at one, and easy models are solved in milliseconds
_SECONDS_PER_TERM = 50e-6  # to translate one, and to find its groups
_PLAIN_PAIR = 0.05  # terms; of intervals that need no variables
_ROW = 0.04  # terms; a value in a table
_TRANSITION = 0.01  # terms; of an automaton, at one of its expressions
_SECONDS_PER_CANDIDATE = 3e-6  # to group and to score one
_PREPARATION_LIMIT = 20.0  # seconds; the preparation cannot be interrupted
_WIDTH_LIMIT = 2**31  # of a domain; bounds creep up one by one in some models

_COMMON = ("has_linear", "has_bool_or", "has_interval", "has_bool_and", "has_at_most_one", "has_exactly_one")
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
    """Estimate how long the learned search would read the model before its first decision.

    Of the usual kinds of constraints, and of the variables, it looks at a sample.
    """
    variables, constraints = model.proto.variables, model.proto.constraints
    sampled = [constraints[i] for i in _sample(len(constraints))]
    mean = _mean([_terms(model.proto, constraint) for constraint in sampled if _is_common(constraint)])
    # One constraint on a resource may be more work than all others.
    terms = sum(mean if _is_common(constraint) else _terms(model.proto, constraint) for constraint in constraints)
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


def _mean(sizes: Sequence[float]) -> float:
    return sum(sizes) / len(sizes) if sizes else 0.0


def _candidates(variable: Any) -> int:
    width = _width(variable)
    return width if width <= MAX_VALUES else 0  # graphs leave those out


def _width(variable: Any) -> int:
    domain = variable.domain
    # These containers have no negative indices: [-1] gives 0 without a word.
    return domain[len(domain) - 1] - domain[0] + 1 if len(domain) else 0


def _is_common(constraint: Any) -> bool:
    """Tell whether there may be so many of this kind that only a sample of them is looked at."""
    return any(getattr(constraint, has)() for has in _COMMON)


def _terms(model: Any, constraint: Any) -> float:
    """Return how much work a constraint is, in what a term of a sum takes."""
    for kind, count in _TERMS.items():
        if getattr(constraint, f"has_{kind}")():
            return 1 + count(model, constraint, getattr(constraint, kind))
    return 1


def _literals(model: Any, constraint: Any, argument: Any) -> float:
    return len(argument.literals)


def _expressions(model: Any, constraint: Any, argument: Any) -> float:
    return len(argument.exprs)


def _no_overlap(model: Any, constraint: Any, argument: Any) -> float:
    """Every pair has variables of its own, but for those that the engine's own constraint takes as they are."""
    count = len(argument.intervals)
    plain = _num_plain(model, constraint, argument.intervals)
    return count + _pairs(count) - _pairs(plain) + _pairs(plain) * _PLAIN_PAIR


def _no_overlap_2d(model: Any, constraint: Any, argument: Any) -> float:
    return 2 * (len(argument.x_intervals) + _pairs(len(argument.x_intervals)))


def _cumulative(model: Any, constraint: Any, argument: Any) -> float:
    count = len(argument.intervals)
    constants = all(not len(expression.vars) for expression in (*argument.demands, argument.capacity))
    return count if constants and _num_plain(model, constraint, argument.intervals) == count else count**2


def _automaton(model: Any, constraint: Any, argument: Any) -> float:
    length = len(argument.exprs) or len(argument.vars)
    return length + length * len(argument.transition_label) * _TRANSITION


_TERMS: dict[str, Callable[[Any, Any, Any], float]] = {
    "linear": lambda model, constraint, linear: len(linear.vars),
    "bool_or": _literals,
    "bool_and": _literals,
    "at_most_one": _literals,
    "exactly_one": _literals,
    "bool_xor": _literals,
    "interval": lambda model, constraint, interval: 3,
    "all_diff": _expressions,
    "element": _expressions,
    "lin_max": _expressions,
    "int_prod": _expressions,
    "inverse": lambda model, constraint, inverse: 2 * len(inverse.f_direct),
    "circuit": _literals,
    "routes": _literals,
    "table": lambda model, constraint, table: len(table.exprs) + len(table.values) * _ROW,
    "automaton": _automaton,
    "no_overlap": _no_overlap,
    "no_overlap_2d": _no_overlap_2d,
    "cumulative": _cumulative,
    "reservoir": lambda model, constraint, reservoir: len(reservoir.time_exprs) ** 2,
}


def _pairs(count: int) -> int:
    return count * (count - 1) // 2


def _num_plain(model: Any, constraint: Any, intervals: Any) -> int:
    """Return how many intervals are always there, with a constant size; none if the constraint itself may not hold."""
    if len(constraint.enforcement_literal):
        return 0
    chosen = (model.constraints[index] for index in intervals)
    return sum(not len(one.enforcement_literal) and not len(one.interval.size.vars) for one in chosen)
