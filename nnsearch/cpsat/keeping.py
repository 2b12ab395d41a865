"""A model that wishes for few changes against a past solution."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from ortools.sat.python import cp_model

from nnsearch.errors import ConfigError
from nnsearch.history.matching import Plan
from nnsearch.model.objective import read_objective

MayCount = Callable[[str], bool]
"""Tells of a variable's name whether a change of it counts."""


def check_weight(model: cp_model.CpModel, weight: int) -> None:
    """Check that the price of a change can be a part of a model's objective.

    Raises:
        ConfigError: the objective's factor makes a fraction of the weight.
    """
    objective = read_objective(model.proto)
    if objective is not None and not objective.floating and not (weight / abs(objective.scale)).is_integer():
        raise ConfigError(f"keep: expected a multiple of the objective's factor {abs(objective.scale):g}, got {weight}")


def few_changes(model: cp_model.CpModel, plan: Plan, weight: int, counts: MayCount | None) -> cp_model.CpModel:
    """Return a copy of the model in which every change against a plan costs something.

    The copy has the model's variables first; of others than Booleans it has one more for each, true where the value is
    another than the plan's. A model without an objective gets one, to minimise.

    Args:
        model: the model; it is not changed.
        plan: the past solution.
        weight: what a change costs, in the units of the objective.
        counts: which variables count; None is all but sums in the objective: variables of it that are no Booleans.

    Raises:
        ConfigError: see :func:`check_weight`.
    """
    check_weight(model, weight)
    copy = model.clone()
    proto = copy.proto
    objective = read_objective(model.proto)
    paid = set() if objective is None else set(objective.variables)
    changes: list[tuple[int, int]] = []  # reference and sign of 0-1 terms that count changes, but for a constant
    kept = 0
    for place in np.flatnonzero(plan.known).tolist():
        name, value = proto.variables[place].name, int(plan.values[place])
        domain = list(proto.variables[place].domain)
        boolean = domain == [0, 1]
        if not (boolean or place not in paid if counts is None else counts(name)):
            continue
        if boolean and value in (0, 1):
            changes.append((place, 1 - 2 * value))
            kept += value
        elif domain[0] < domain[-1]:
            changed = copy.new_bool_var("")
            copy.add(copy.get_int_var_from_proto_index(place) == value).only_enforce_if(~changed)
            changes.append((changed.index, 1))
    variables, signs = [place for place, _ in changes], [sign for _, sign in changes]
    if objective is None:
        message = proto.objective
        message.scaling_factor, message.offset = 1.0, float(weight * kept)
        factor = weight
    elif objective.floating:
        message = proto.floating_point_objective
        factor = -weight if objective.maximises else weight
        message.offset += factor * kept
    else:
        message = proto.objective
        factor = round(weight / abs(objective.scale))
        message.offset += factor * kept
    message.vars.extend(variables)
    message.coeffs.extend([factor * sign for sign in signs])
    return copy
