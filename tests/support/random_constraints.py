"""Random small models with constraints of every kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st
from ortools.sat.python import cp_model

LARGEST_SPACE = 3000
"""Assignments of a random model at most: all of them are tried."""


class Draft:
    """A random model in the making: random variables, and what can be made of them."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.model = cp_model.CpModel()
        self.space = 1
        self.integers = [self.integer() for _ in range(draw(st.integers(1, 3)))]
        self.booleans = [self._boolean() for _ in range(draw(st.integers(1, 3)))]

    def integer(self, low: int = -2, high: int = 4, holes: tuple[int, ...] = ()) -> cp_model.IntVar:
        values = set(self.draw(st.sets(st.integers(low, high), min_size=1, max_size=5))) - set(holes)
        domain = cp_model.Domain.from_values(sorted(values or {high}))
        self.space *= domain.size()
        return self.model.new_int_var_from_domain(domain, f"x{len(self.model.proto.variables)}")

    def _boolean(self) -> cp_model.IntVar:
        self.space *= 2
        return self.model.new_bool_var(f"b{len(self.model.proto.variables)}")

    def literal(self) -> cp_model.LiteralT:
        literal = self.draw(st.sampled_from(self.booleans))
        return ~literal if self.draw(st.booleans()) else literal

    def literals(self, most: int = 4, least: int = 0) -> list[cp_model.LiteralT]:
        return [self.literal() for _ in range(self.draw(st.integers(least, most)))]

    def affine(self, variables: list[cp_model.IntVar] | None = None) -> cp_model.LinearExprT:
        variable = self.draw(st.sampled_from(variables or [*self.integers, *self.booleans]))
        coefficient, offset = self.draw(st.sampled_from([1, 1, 1, -1, 2, -2, 3, 0])), self.draw(st.integers(-3, 3))
        if coefficient == 1 and self.draw(st.booleans()):
            return variable
        return coefficient * variable + offset

    def affines(self, least: int = 1, most: int = 4) -> list[cp_model.LinearExprT]:
        return [self.affine() for _ in range(self.draw(st.integers(least, most)))]

    def values(self, low: int = -3, high: int = 4, least: int = 1, most: int = 5) -> list[int]:
        return self.draw(st.lists(st.integers(low, high), min_size=least, max_size=most))

    def sum(self) -> cp_model.LinearExprT:
        variables = [*self.integers, *self.booleans]
        weights = self.draw(st.lists(st.integers(-3, 3), min_size=len(variables), max_size=len(variables)))
        return sum(w * x for w, x in zip(weights, variables, strict=True)) + self.draw(st.integers(-2, 2))

    def interval(self) -> cp_model.IntervalVar:
        """A random one, that may not be there, with an end that follows from start and size or that is a variable."""
        size: cp_model.LinearExprT = self.draw(st.integers(0, 3))
        if self.draw(st.integers(0, 3)) == 0:
            size = self.integer(0, 3)
        start = self.affine(self.integers)
        end = start + size
        if not isinstance(size, int) or self.draw(st.integers(0, 4)) == 0:
            end = self.integer(-2, 6)
        if self.draw(st.booleans()):
            return self.model.new_interval_var(start, size, end, "")
        return self.model.new_optional_interval_var(start, size, end, self.literal(), "")

    def intervals(self) -> list[cp_model.IntervalVar]:
        return [self.interval() for _ in range(self.draw(st.integers(0, 3)))]

    def arcs(self, nodes: int) -> list[cp_model.ArcT]:
        """Random arcs between all of so many nodes, one loop a node at most; or all arcs of fewer nodes."""
        taken = [(i, j) for i in range(nodes) for j in range(nodes) if self.draw(st.integers(0, 3)) > (i == j)]
        taken += self.draw(st.lists(st.sampled_from([(0, 1), (1, 0)]), max_size=2)) if nodes > 1 else []
        fresh: list[cp_model.LiteralT] = []
        for _ in taken:
            reuse = self.draw(st.integers(0, 3)) == 0 or self.space * 2 > LARGEST_SPACE
            fresh.append(self.literal() if reuse else self._boolean())
        return [(i, j, literal) for (i, j), literal in zip(taken, fresh, strict=True)]


Add = Callable[[Draft], cp_model.Constraint | cp_model.IntervalVar]


def add_linear(draft: Draft) -> cp_model.Constraint:
    ends = sorted(draft.draw(st.sets(st.integers(-8, 8), min_size=2, max_size=6)))
    ranges = [list(pair) for pair in zip(ends[::2], ends[1::2], strict=False)]
    if draft.draw(st.booleans()):
        ranges[-1][1] = cp_model.INT_MAX
    if draft.draw(st.booleans()):
        ranges[0][0] = cp_model.INT_MIN
    return draft.model.add_linear_expression_in_domain(draft.sum(), cp_model.Domain.from_intervals(ranges))


def add_all_different(draft: Draft) -> cp_model.Constraint:
    return draft.model.add_all_different(draft.affines(0))


def add_element(draft: Draft) -> cp_model.Constraint:
    array = draft.values() if draft.draw(st.booleans()) else draft.affines()
    return draft.model.add_element(draft.affine(), array, draft.affine())


def add_old_element(draft: Draft) -> cp_model.Constraint:
    constraint = draft.model.add_bool_or([True])
    proto = draft.model.proto.constraints[constraint.index]
    proto.clear_bool_or()
    proto.element.index = draft.draw(st.sampled_from(draft.integers)).index
    proto.element.target = draft.draw(st.sampled_from(draft.integers)).index
    references = st.sampled_from([variable.index for variable in draft.integers])
    proto.element.vars.extend(draft.draw(st.lists(references, min_size=1, max_size=4)))
    return constraint


def table(draft: Draft) -> tuple[list[cp_model.LinearExprT], list[list[int]]]:
    expressions = draft.affines(1, 3)
    arity = len(expressions)
    return expressions, [draft.values(least=arity, most=arity) for _ in range(draft.draw(st.integers(0, 12)))]


def add_table(draft: Draft) -> cp_model.Constraint:
    return draft.model.add_allowed_assignments(*table(draft))


def add_negated_table(draft: Draft) -> cp_model.Constraint:
    return draft.model.add_forbidden_assignments(*table(draft))


def add_automaton(draft: Draft) -> cp_model.Constraint:
    states = draft.draw(st.integers(1, 4))
    arcs = draft.draw(
        st.dictionaries(
            st.tuples(st.integers(0, states), st.integers(-1, 2)), st.integers(0, states), min_size=1, max_size=12
        )
    )
    final = draft.draw(st.sets(st.integers(0, states), min_size=1))
    transitions = [(tail * 7, label, head * 7) for (tail, label), head in arcs.items()]
    return draft.model.add_automaton(draft.affines(), 0, [state * 7 for state in final], transitions)


def with_variables(add: Add) -> Add:
    """Make the constraint's expressions the variables of the proto's older field."""

    def add_with_variables(draft: Draft) -> cp_model.Constraint | cp_model.IntervalVar:
        constraint = add(draft)
        proto = draft.model.proto.constraints[constraint.index]
        body = getattr(proto, constraint_kind(proto))
        references = [draft.draw(st.sampled_from(draft.integers)).index for _ in body.exprs]
        body.exprs.clear()
        body.vars.extend(references)
        return constraint

    return add_with_variables


def add_inverse(draft: Draft) -> cp_model.Constraint:
    count = draft.draw(st.integers(1, 3))
    pool = [*draft.integers, *(draft.integer(-1, 3) for _ in range(count))]
    sides = draft.draw(st.lists(st.sampled_from(pool), min_size=2 * count, max_size=2 * count))
    return draft.model.add_inverse(sides[:count], sides[count:])


def add_circuit(draft: Draft) -> cp_model.Constraint:
    nodes = draft.draw(st.integers(1, 4))
    arcs = draft.arcs(nodes) or [(0, 0, draft.literal())]
    shift = draft.draw(st.sampled_from([0, 0, 5]))
    return draft.model.add_circuit([(i + shift, j + shift, literal) for i, j, literal in arcs])


def add_routes(draft: Draft) -> cp_model.Constraint:
    nodes = draft.draw(st.integers(2, 4))
    arcs = [arc for arc in draft.arcs(nodes) if arc[:2] != (0, 0)]
    ends = {node for tail, head, _ in arcs for node in (tail, head)}
    arcs += [(node, (node + 1) % nodes, draft.literal()) for node in range(nodes) if node not in ends]
    return draft.model.add_multiple_circuit(arcs)


def add_product(draft: Draft) -> cp_model.Constraint:
    return draft.model.add_multiplication_equality(draft.affine(), draft.affines(0, 3))


def divisor(draft: Draft, low: int) -> cp_model.LinearExprT:
    if draft.draw(st.booleans()):
        return draft.draw(st.integers(low, 3).filter(bool))
    return draft.integer(low, 3, holes=(0,))


def add_division(draft: Draft) -> cp_model.Constraint:
    return draft.model.add_division_equality(draft.affine(), draft.affine(), divisor(draft, -3))


def add_modulo(draft: Draft) -> cp_model.Constraint:
    return draft.model.add_modulo_equality(draft.affine(), draft.affine(), divisor(draft, 1))


def add_extremum(draft: Draft) -> cp_model.Constraint:
    extremum = draft.draw(st.sampled_from([draft.model.add_max_equality, draft.model.add_min_equality]))
    return extremum(draft.affine(), [draft.sum() if draft.draw(st.booleans()) else e for e in draft.affines()])


def add_absolute(draft: Draft) -> cp_model.Constraint:
    return draft.model.add_abs_equality(draft.affine(), draft.sum())


def add_interval(draft: Draft) -> cp_model.IntervalVar:
    return draft.interval()


def add_no_overlap(draft: Draft) -> cp_model.Constraint:
    return draft.model.add_no_overlap(draft.intervals())


def add_no_overlap_2d(draft: Draft) -> cp_model.Constraint:
    sides = [draft.interval() for _ in range(2 * draft.draw(st.integers(0, 2)))]
    if sides and draft.draw(st.integers(0, 3)) == 0:
        sides += [sides[0], sides[-2]]  # an interval can be the side of several boxes
    return draft.model.add_no_overlap_2d(sides[::2], sides[1::2])


def add_cumulative(draft: Draft) -> cp_model.Constraint:
    intervals = draft.intervals()
    demands = [draft.integer(0, 3) if draft.draw(st.booleans()) else draft.draw(st.integers(0, 3)) for _ in intervals]
    capacity = draft.affine() if draft.draw(st.booleans()) else draft.draw(st.integers(-1, 4))
    return draft.model.add_cumulative(intervals, demands, capacity)


def add_reservoir(draft: Draft) -> cp_model.Constraint:
    times = draft.affines()
    changes = [draft.affine() if draft.draw(st.integers(0, 3)) == 0 else c for c in draft.values(-3, 3, 4, 4)]
    bounds = draft.draw(st.integers(-4, 0)), draft.draw(st.integers(0, 4))
    if draft.draw(st.booleans()):
        return draft.model.add_reservoir_constraint(times, changes[: len(times)], *bounds)
    actives = [draft.literal() for _ in times]
    return draft.model.add_reservoir_constraint_with_active(times, changes[: len(times)], actives, *bounds)


KINDS: dict[str, Add] = {
    "linear": add_linear,
    "all_diff": add_all_different,
    "element": add_element,
    "old_element": add_old_element,
    "table": add_table,
    "negated_table": add_negated_table,
    "automaton": add_automaton,
    "old_table": with_variables(add_table),
    "old_automaton": with_variables(add_automaton),
    "inverse": add_inverse,
    "bool_or": lambda d: d.model.add_bool_or(d.literals()),
    "bool_and": lambda d: d.model.add_bool_and(d.literals()),
    "bool_xor": lambda d: d.model.add_bool_xor(d.literals()),
    "at_most_one": lambda d: d.model.add_at_most_one(d.literals()),
    "exactly_one": lambda d: d.model.add_exactly_one(d.literals()),
    "circuit": add_circuit,
    "routes": add_routes,
    "int_prod": add_product,
    "int_div": add_division,
    "int_mod": add_modulo,
    "lin_max": add_extremum,
    "abs": add_absolute,
    "interval": add_interval,
    "no_overlap": add_no_overlap,
    "no_overlap_2d": add_no_overlap_2d,
    "cumulative": add_cumulative,
    "reservoir": add_reservoir,
}


@st.composite
def models(draw: st.DrawFn, kind: str) -> cp_model.CpModel:
    """Small valid models with one or two constraints of a kind and up to one of another, most of them enforced."""
    draft = Draft(draw)
    kinds = [kind] * draw(st.integers(1, 2)) + draw(st.lists(st.sampled_from(sorted(KINDS)), max_size=1))
    for one in kinds:
        constraint = KINDS[one](draft)
        proto = draft.model.proto.constraints[constraint.index]
        proto.enforcement_literal.extend(literal.index for literal in draft.literals(2))
    if draw(st.booleans()):
        (draft.model.minimize if draw(st.booleans()) else draft.model.maximize)(draft.sum())
    assume(draft.space <= LARGEST_SPACE)
    assume(not draft.model.validate())
    return draft.model


def constraint_kind(constraint: Any) -> str:
    """CP-SAT's name of the kind."""
    asked = [name for name in dir(constraint) if name.startswith("has_") and getattr(constraint, name)()]
    return asked[0].removeprefix("has_") if asked else "an empty constraint"
