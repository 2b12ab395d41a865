"""Every kind of constraint: the engine has exactly the solutions that a check of all assignments finds."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable
from itertools import combinations, product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ortools.sat.python import cp_model
from random_constraints import KINDS, constraint_kind, models
from stand_ins import Collector, RandomGraphScorer, Solution, domains, engine_solutions, enumerated

from nnsearch import cp
from nnsearch.cp.translate import Translation, translate
from nnsearch.cpsat import solve_by_dives
from nnsearch.errors import GraphError
from nnsearch.limits import Limits
from nnsearch.model.graph import CandidateGraph


class Checker:
    """Checks assignments against the meaning of a model's constraints, without any solver.

    A method per kind, by CP-SAT's name of it.
    """

    def __init__(self, model: cp_model.CpModel) -> None:
        self.proto = model.proto
        kinds = [(constraint, constraint_kind(constraint)) for constraint in model.proto.constraints]
        self.constraints = [(c, kind) for c, kind in kinds if kind != "an empty constraint"]

    def __call__(self, value: Solution) -> bool:
        self.value = value
        return all(not self.enforced(c) or getattr(self, kind)(getattr(c, kind)) for c, kind in self.constraints)

    def enforced(self, constraint: Any) -> bool:
        return all(self.literals(constraint.enforcement_literal))

    def literals(self, references: Iterable[int]) -> list[bool]:
        return [self.value[r] == 1 if r >= 0 else self.value[~r] == 0 for r in references]

    def of(self, expression: Any) -> int:
        terms = zip(expression.coeffs, expression.vars, strict=True)
        return int(expression.offset + sum(c * self.value[v] for c, v in terms))

    def all_of(self, expressions: Iterable[Any]) -> list[int]:
        return [self.of(expression) for expression in expressions]

    def linear(self, ct: Any) -> bool:
        total = sum(c * self.value[v] for c, v in zip(ct.coeffs, ct.vars, strict=True))
        ends = list(ct.domain)
        return any(total in range(low, high + 1) for low, high in zip(ends[::2], ends[1::2], strict=True))

    def sequence(self, ct: Any) -> list[int]:
        """The values of the expressions, or of the variables that the proto had in their place."""
        return self.all_of(ct.exprs) or [self.value[v] for v in ct.vars]

    def all_diff(self, ct: Any) -> bool:
        return len(set(self.all_of(ct.exprs))) == len(ct.exprs)

    def element(self, ct: Any) -> bool:
        if len(ct.vars):
            index, target, array = self.value[ct.index], self.value[ct.target], [self.value[v] for v in ct.vars]
        else:
            index, target, array = self.of(ct.linear_index), self.of(ct.linear_target), self.all_of(ct.exprs)
        return index in range(len(array)) and array[index] == target

    def table(self, ct: Any) -> bool:
        row, values = self.sequence(ct), list(ct.values)
        found = row in [values[i : i + len(row)] for i in range(0, len(values), len(row))]
        return bool(found != ct.negated)

    def automaton(self, ct: Any) -> bool:
        arcs = zip(ct.transition_tail, ct.transition_label, ct.transition_head, strict=True)
        moves = {(tail, label): head for tail, label, head in arcs}
        state: int | None = ct.starting_state
        for label in self.sequence(ct):
            state = moves.get((state, label))
        return state in list(ct.final_states)

    def inverse(self, ct: Any) -> bool:
        direct, inverse = ([self.value[v] for v in side] for side in (ct.f_direct, ct.f_inverse))
        return sorted(direct) == list(range(len(direct))) and all(inverse[j] == i for i, j in enumerate(direct))

    def bool_or(self, ct: Any) -> bool:
        return any(self.literals(ct.literals))

    def bool_and(self, ct: Any) -> bool:
        return all(self.literals(ct.literals))

    def bool_xor(self, ct: Any) -> bool:
        return sum(self.literals(ct.literals)) % 2 == 1

    def at_most_one(self, ct: Any) -> bool:
        return sum(self.literals(ct.literals)) <= 1

    def exactly_one(self, ct: Any) -> bool:
        return sum(self.literals(ct.literals)) == 1

    def arcs(self, ct: Any) -> list[tuple[int, int]]:
        literals = self.literals(ct.literals)
        return [arc for arc, taken in zip(zip(ct.tails, ct.heads, strict=True), literals, strict=True) if taken]

    def circuit(self, ct: Any) -> bool:
        nodes, arcs = sorted({*ct.tails, *ct.heads}), self.arcs(ct)
        successor = dict(arcs)
        if sorted(tail for tail, _ in arcs) != nodes or sorted(head for _, head in arcs) != nodes:
            return False
        left = {tail for tail, head in arcs if tail != head}
        if left:
            node = start = min(left)
            while node in left:
                left.remove(node)
                node = successor[node]
            return not left and node == start
        return True

    def routes(self, ct: Any) -> bool:
        arcs = self.arcs(ct)
        visited = sorted({*ct.tails, *ct.heads} - {0})
        successor = {tail: head for tail, head in arcs if tail}
        left, entered = sorted(tail for tail, _ in arcs if tail), sorted(head for _, head in arcs if head)
        if left != visited or entered != visited:
            return False
        for tail, head in arcs:
            node = head if tail == 0 else 0
            while node:
                visited.remove(node)
                node = successor[node]
        return all(successor[node] == node for node in visited)

    def int_prod(self, ct: Any) -> bool:
        return self.of(ct.target) == math.prod(self.all_of(ct.exprs))

    def int_div(self, ct: Any) -> bool:
        dividend, divisor = self.all_of(ct.exprs)
        return self.of(ct.target) == int(dividend / divisor)

    def int_mod(self, ct: Any) -> bool:
        return self.of(ct.target) == int(math.fmod(*self.all_of(ct.exprs)))

    def lin_max(self, ct: Any) -> bool:
        return self.of(ct.target) == max(self.all_of(ct.exprs))

    def interval(self, ct: Any) -> bool:
        start, size, end = self.all_of((ct.start, ct.size, ct.end))
        return size >= 0 and start + size == end

    def spans(self, indices: Iterable[int]) -> list[tuple[int, int] | None]:
        """The start and end of intervals, None for those that are not there."""
        intervals = [self.proto.constraints[index] for index in indices]
        return [(self.of(c.interval.start), self.of(c.interval.end)) if self.enforced(c) else None for c in intervals]

    def no_overlap(self, ct: Any) -> bool:
        spans = [span for span in self.spans(ct.intervals) if span]
        return all(a[1] <= b[0] or b[1] <= a[0] for a, b in combinations(spans, 2))

    def no_overlap_2d(self, ct: Any) -> bool:
        sides = zip(self.spans(ct.x_intervals), self.spans(ct.y_intervals), strict=True)
        boxes = [(x, y) for x, y in sides if x and y]
        return all(
            any(s[1] <= t[0] or t[1] <= s[0] for s, t in zip(a, b, strict=True)) for a, b in combinations(boxes, 2)
        )

    def cumulative(self, ct: Any) -> bool:
        spans, demands, capacity = self.spans(ct.intervals), self.all_of(ct.demands), self.of(ct.capacity)
        loads = [
            sum(d for span, d in zip(spans, demands, strict=True) if span and span[0] <= time < span[1])
            for time in range(-10, 20)
        ]
        return max(loads) <= capacity

    def reservoir(self, ct: Any) -> bool:
        times, changes = self.all_of(ct.time_exprs), self.all_of(ct.level_changes)
        actives = self.literals(ct.active_literals) or [True] * len(times)
        events = [(t, change) for t, change, active in zip(times, changes, actives, strict=True) if active]
        levels = [sum(change for t, change in events if t <= time) for time, _ in events]
        return all(ct.min_level <= level <= ct.max_level for level in levels)


def brute_force(model: cp_model.CpModel) -> list[Solution]:
    """All solutions, sorted, by trying all assignments."""
    return list(filter(Checker(model), product(*domains(model))))


def cp_sat_solutions(model: cp_model.CpModel) -> list[Solution]:
    satisfaction = model.clone()
    satisfaction.clear_objective()
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.enumerate_all_solutions = True
    solver.parameters.keep_all_feasible_solutions_in_presolve = True
    indices = range(len(model.proto.variables))
    collector = Collector([satisfaction.get_int_var_from_proto_index(index) for index in indices])
    assert solver.solve(satisfaction, collector) in (cp_model.OPTIMAL, cp_model.INFEASIBLE)
    # CP-SAT meets a solution several times when it leaves variables of its own free.
    return sorted(set(collector.found))


def objective_value(model: cp_model.CpModel, solution: Solution) -> int:
    objective = model.proto.objective
    return sum(c * solution[v] for c, v in zip(objective.coeffs, objective.vars, strict=True))


def best_value(translation: Translation) -> int | None:
    """The value that a search for the minimum ends with."""
    solver, objective = translation.solver, translation.objective
    phase = solver.Phase(translation.variables, solver.CHOOSE_FIRST_UNBOUND, solver.ASSIGN_MIN_VALUE)
    minimum = solver.Minimize(objective, 1)
    found = enumerated(solver, [objective], phase, [minimum])
    return found[-1][0] if found else None


def cp_sat_loses_solutions(model: cp_model.CpModel) -> bool:
    """Whether CP-SAT 9.15 is no judge of a model.

    Its presolve calls routes infeasible where no route is needed and the depot has no arcs left; an enforced division
    or remainder of a negative number loses solutions that the unenforced one has; and so do boxes of optional
    intervals that are sides of several boxes.
    """
    for constraint in model.proto.constraints:
        if constraint.has_routes():
            return True
        if (constraint.has_int_div() or constraint.has_int_mod()) and len(constraint.enforcement_literal):
            return True
        if constraint.has_no_overlap_2d():  # asked first: reading the field would make it the constraint's kind
            sides = [*constraint.no_overlap_2d.x_intervals, *constraint.no_overlap_2d.y_intervals]
            if len(set(sides)) < len(sides):
                return True
    return False


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, derandomize=True)
@given(st.data())
def test_the_engine_finds_exactly_the_solutions(kind: str, data: st.DataObject) -> None:
    model = data.draw(models(kind))
    wanted = brute_force(model)
    assert engine_solutions(translate(model)) == wanted, str(model)
    assert cp_sat_loses_solutions(model) or cp_sat_solutions(model) == wanted, str(model)
    if model.has_objective():
        least = min((objective_value(model, solution) for solution in wanted), default=None)
        assert best_value(translate(model)) == least
    else:
        assert translate(model).objective is None


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=5, derandomize=True)
@given(st.data())
def test_no_reader_changes_the_model(kind: str, data: st.DataObject) -> None:
    model = data.draw(models(kind))
    variables = [model.get_int_var_from_proto_index(index) for index in range(len(model.proto.variables))]
    before = str(model.proto)
    readers: dict[str, Callable[[], object]] = {
        "translate": lambda: translate(model),
        "graph": lambda: CandidateGraph.from_model(model),
        "search": lambda: cp.solve(model, variables, None),
        "dives": lambda: solve_by_dives(model, [RandomGraphScorer(1)], limits=Limits(failures=50)),
    }
    for name, read in readers.items():
        with contextlib.suppress(GraphError):  # nothing that a network could read
            read()
        assert str(model.proto) == before, name
