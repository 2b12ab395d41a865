"""What constraints that are not rows say of candidates, one constraint at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from nnsearch.model.graph import EXACTLY_ONE
from nnsearch.model.grouping import Grouping, Term
from nnsearch.model.lists import Lists
from nnsearch.model.stopping import StopCheck


def add_other_groups(
    groups: Grouping, others: Sequence[tuple[int, str | None, Any]], constraints: Sequence[Any], check: StopCheck
) -> None:
    """Encode constraints (index, kind, constraint) where groups can say them, else connect their variables."""
    connected: list[tuple[int, str, list[int]]] = []
    for index, name, constraint in others:
        check.now()
        kind = name or "an empty constraint"
        named = list(dict.fromkeys(scope(constraint, kind, constraints)))
        if any(groups.too_large[v] for v in named):
            groups.ignore(index, kind)
        elif _encode(groups, index, kind, constraint):
            groups.num_encoded += 1
        else:
            connected.append((index, kind, named))
    indices, kinds, scopes = zip(*connected, strict=True) if connected else ((), (), ())
    groups.connect(np.array(indices, dtype=np.int64), kinds, Lists.of(scopes))


def _encode(groups: Grouping, index: int, kind: str, constraint: Any) -> bool:
    """Add groups that say the same as the constraint; return whether there are any such groups."""
    if len(constraint.enforcement_literal):
        return False
    if kind == "all_diff":
        terms = [_term(expression) for expression in constraint.all_diff.exprs]
        known = [term for term in terms if term is not None]
        distinct = len({variable for variable, _, _ in known}) == len(known) == len(terms)
        if known and distinct:
            groups.add_all_different(index, known)
        return distinct
    if kind == "circuit":
        _add_circuit(groups, index, constraint.circuit)
    return False


def _add_circuit(groups: Grouping, index: int, circuit: Any) -> None:
    """Add that one arc leaves and one enters each node; that there is one cycle only is not in these groups."""
    literals = np.array(circuit.literals[:], dtype=np.int64)
    for end in (circuit.tails, circuit.heads):
        nodes = np.array(end[:], dtype=np.int64)
        sizes = np.unique(nodes, return_counts=True)[1]
        arcs = Lists.from_sizes(sizes, literals[np.argsort(nodes, kind="stable")])
        groups.add_literals(np.full(len(sizes), index), EXACTLY_ONE, arcs)


def _term(expression: Any) -> Term | None:
    if len(expression.vars) != 1 or expression.coeffs[0] == 0:
        return None
    return expression.vars[0], expression.coeffs[0], expression.offset


EXPRESSIONS = {  # kind of constraint -> its fields that hold linear expressions
    "all_diff": ("exprs",),
    "table": ("exprs",),
    "element": ("linear_index", "linear_target", "exprs"),
    "int_prod": ("target", "exprs"),
    "int_div": ("target", "exprs"),
    "int_mod": ("target", "exprs"),
    "lin_max": ("target", "exprs"),
    "automaton": ("exprs",),
    "interval": ("start", "size", "end"),
    "reservoir": ("time_exprs", "level_changes"),
    "cumulative": ("demands", "capacity"),
}
REFERENCES = {  # those that hold variables or literals
    "table": ("vars",),
    "element": ("vars",),
    "automaton": ("vars",),
    "inverse": ("f_direct", "f_inverse"),
    "bool_xor": ("literals",),
    "circuit": ("literals",),
    "routes": ("literals",),
    "reservoir": ("active_literals",),
}
INTERVALS = {  # those that hold indices of intervals
    "no_overlap": ("intervals",),
    "no_overlap_2d": ("x_intervals", "y_intervals"),
    "cumulative": ("intervals",),
}


def scope(constraint: Any, kind: str, constraints: Sequence[Any]) -> Iterator[int]:
    """Yield the variables that a constraint names, itself or by its intervals, repetitions included."""
    for literal in constraint.enforcement_literal:
        yield _variable(literal)
    body = getattr(constraint, kind, None)
    for name in EXPRESSIONS.get(kind, ()):
        expressions = getattr(body, name)
        for expression in expressions if hasattr(expressions, "__len__") else [expressions]:
            yield from expression.vars
    for name in REFERENCES.get(kind, ()):
        for reference in getattr(body, name):
            yield _variable(reference)
    for name in INTERVALS.get(kind, ()):
        for interval in getattr(body, name):
            yield from scope(constraints[interval], "interval", constraints)


def _variable(reference: int) -> int:
    return reference if reference >= 0 else ~reference
