"""Constraints of a CpModel as constraints of the depth-first CP solver, a family of kinds per file.

A constraint of the model may become several of the engine's, with auxiliary variables. The values of the model's
variables decide the auxiliary ones by propagation alone, so that a search over the model's variables is complete and
meets every solution once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nnsearch.cp.constraints.arithmetic import add_division, add_maximum, add_modulo, add_product
from nnsearch.cp.constraints.automaton import add_automaton
from nnsearch.cp.constraints.boolean import add_and, add_at_most_one, add_exactly_one, add_or, add_xor
from nnsearch.cp.constraints.element import add_element
from nnsearch.cp.constraints.enforcement import Enforcement
from nnsearch.cp.constraints.engine_model import EngineModel
from nnsearch.cp.constraints.linear import add_linear
from nnsearch.cp.constraints.permutation import add_all_different, add_inverse
from nnsearch.cp.constraints.routing import add_circuit, add_routes
from nnsearch.cp.constraints.scheduling import (
    add_cumulative,
    add_interval,
    add_no_overlap,
    add_no_overlap_2d,
    add_reservoir,
)
from nnsearch.cp.constraints.table import add_table

AddConstraint = Callable[[EngineModel, Any, Enforcement], None]
"""(model, the constraint's own part of the proto or its :class:`nnsearch.model.rows.Row`, when it has to hold)."""

KINDS: dict[str, AddConstraint] = {
    "linear": add_linear,
    "all_diff": add_all_different,
    "bool_or": add_or,
    "bool_and": add_and,
    "at_most_one": add_at_most_one,
    "exactly_one": add_exactly_one,
    "bool_xor": add_xor,
    "interval": add_interval,
    "no_overlap": add_no_overlap,
    "no_overlap_2d": add_no_overlap_2d,
    "cumulative": add_cumulative,
    "reservoir": add_reservoir,
    "lin_max": add_maximum,
    "int_prod": add_product,
    "int_div": add_division,
    "int_mod": add_modulo,
    "element": add_element,
    "table": add_table,
    "automaton": add_automaton,
    "inverse": add_inverse,
    "circuit": add_circuit,
    "routes": add_routes,
}
"""By CP-SAT's name of the kind."""
