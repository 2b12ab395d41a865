from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from random import Random

import pytest
from ortools.sat.python import cp_model
from stand_ins import PATIENCE

from benchmarks.instances.families import FAMILIES, Part, Scale
from benchmarks.instances.zoo import KINDS, BrokenRuleError, Size, ZooModel, build

SYMMETRIC = {"bin-packing", "cutting-stock"}
"""Kinds whose models forbid solutions that differ from others in names alone; their checkers do not."""

OF_FAMILIES = {name: FAMILIES[name].draw for name in ("rosters", "time-window-routing", "timetables")}
"""Families with rules or an objective that no kind has."""

MAKERS = {**KINDS, **OF_FAMILIES}
MODULES = {maker.__module__ for maker in MAKERS.values()} | {BrokenRuleError.__module__}

Values = dict[int, int]


@functools.cache
def small(kind: str) -> ZooModel:
    if kind in OF_FAMILIES:
        return FAMILIES[kind].build(Scale.TINY, Part.TRAINING, 0, 0)
    return build(kind, Size.SMALL)


@functools.cache
def answer(kind: str) -> tuple[cp_model.CpSolver, str]:
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.max_time_in_seconds = PATIENCE
    return solver, solver.status_name(solver.solve(small(kind).model))


@pytest.mark.parametrize("kind", MAKERS)
def test_small_models_are_solved_and_their_solutions_accepted(kind: str) -> None:
    zoo_model = small(kind)
    solver, status = answer(kind)
    assert status == ("INFEASIBLE" if zoo_model.satisfiable is not True else "OPTIMAL")
    if status == "OPTIMAL":
        objective = solver.objective_value if zoo_model.model.has_objective() else None
        assert zoo_model.check(solver.value) == pytest.approx(objective)


def solution(kind: str) -> Values:
    """The values of all variables; zeros where there is no solution."""
    solver, status = answer(kind)
    number = len(small(kind).model.proto.variables)
    return dict(enumerate(solver.response_proto.solution if status == "OPTIMAL" else [0] * number))


@functools.cache
def decisions(kind: str) -> list[int]:
    """The variables that the checker asks for; all of them where there is no solution."""
    read, values = set(), solution(kind)

    def value(variable: cp_model.IntVar) -> int:
        read.add(variable.index)
        return values[variable.index]

    with suppress(BrokenRuleError):
        small(kind).check(value)
        return sorted(read)
    return list(values)


def verdict(kind: str, values: Values) -> float | str | None:
    """What the checker says: the objective, or the rule that is broken."""
    try:
        return small(kind).check(lambda variable: values[variable.index])
    except BrokenRuleError as broken:
        return str(broken)


def verdict_of_the_model(kind: str, values: Values) -> float | str | None:
    """What the model says of decisions: the best objective that they leave, or that it refuses them."""
    model = small(kind).model.clone()
    for index in decisions(kind):
        domain = model.proto.variables[index].domain
        domain.clear()
        domain.extend([values[index]] * 2)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.max_time_in_seconds = PATIENCE
    if solver.solve(model) == cp_model.INFEASIBLE:
        return "refused"
    return float(solver.objective_value) if model.has_objective() else None


def neighbours(kind: str, beyond: int) -> Iterator[Values]:
    """Solutions in which some decisions were changed or swapped.

    Args:
        kind: of the model.
        beyond: how far values may be outside the domains of integer variables.
    """
    rng = Random(kind)
    domains = [list(variable.domain) for variable in small(kind).model.proto.variables]

    def may_be(index: int, value: int) -> bool:
        if domains[index] == [0, 1]:
            return value in (0, 1)
        return any(
            low - beyond <= value <= high + beyond
            for low, high in zip(domains[index][::2], domains[index][1::2], strict=True)
        )

    while True:
        values = solution(kind)
        for _ in range(rng.choice((1, 1, 2, 4, len(values)))):
            one, other = rng.choices(decisions(kind), k=2)
            new = rng.choice((values[other], values[one] + rng.choice((-1, 1)), None))
            if new is None:
                new = rng.randint(domains[one][0] - beyond, domains[one][-1] + beyond)
            elif new == values[other] and may_be(other, values[one]) and may_be(one, new):
                values[other] = values[one]
            if may_be(one, new):
                values[one] = new
        yield values


def rules_of(function: Callable[..., object]) -> set[str]:
    """The rules that a function requires, with those of the functions beside it that it calls."""
    module = sys.modules[function.__module__]
    found: set[str] = set()
    for node in ast.walk(ast.parse(inspect.getsource(function))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id == "require":
                rule = node.args[1]
                found.add(str(rule.value if isinstance(rule, ast.Constant) else getattr(module, ast.unparse(rule))))
            elif inspect.isfunction(called := getattr(module, node.func.id, None)) and called.__module__ in MODULES:
                found |= rules_of(called)
    return found


@pytest.mark.parametrize("kind", MAKERS)
def test_every_rule_refuses_something(kind: str) -> None:
    left = rules_of(MAKERS[kind])
    assert left
    for values in islice(neighbours(kind, beyond=2), 20_000):
        left.discard(str(verdict(kind, values)))
        if not left:
            break
    assert left == set()


@pytest.mark.parametrize("kind", MAKERS)
def test_checker_and_model_agree(kind: str) -> None:
    for values in islice(neighbours(kind, beyond=0), 12):
        said = verdict(kind, values)
        if isinstance(said, str):
            assert verdict_of_the_model(kind, values) == "refused"
        elif kind not in SYMMETRIC:
            assert verdict_of_the_model(kind, values) == pytest.approx(said)


def test_every_kind_of_constraint_is_there() -> None:
    text = "".join(str(small(kind).model.proto) for kind in KINDS)
    for constraint in (
        *("bool_or", "bool_and", "bool_xor", "at_most_one", "exactly_one", "linear", "lin_max", "int_prod", "int_div"),
        *("int_mod", "all_diff", "element", "circuit", "routes", "table", "automaton", "inverse", "reservoir"),
        *("interval", "no_overlap", "no_overlap_2d", "cumulative", "enforcement_literal", "negated: true"),
        *("solution_hint", "search_strategy", "floating_point_objective"),
    ):
        assert re.search(rf"\b{constraint}\b", text), constraint


def digests(seed: int = 1) -> dict[str, str]:
    models = {kind: build(kind, Size.SMALL, seed).model for kind in KINDS}
    return {kind: hashlib.sha256(str(model.proto).encode()).hexdigest() for kind, model in models.items()}


def test_models_are_the_same_in_every_process() -> None:
    program = "from benchmarks.instances.zoo import *\nfor kind in KINDS: print(build(kind, Size.SMALL).model.proto)"
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert run.stdout == "".join(f"{small(kind).model.proto}\n" for kind in KINDS)


def test_another_seed_is_another_instance() -> None:
    one, other = digests(), digests(seed=2)
    assert {kind for kind in KINDS if one[kind] == other[kind]} <= {"rods", "pigeons", "magic-square", "langford"}


@pytest.mark.slow
@pytest.mark.parametrize("size", [Size.MEDIUM, Size.LARGE])
def test_larger_models_are_larger_and_valid(size: Size) -> None:
    for kind in KINDS:
        model = build(kind, size).model
        assert model.validate() == "", kind
        assert len(str(model.proto)) > len(str(small(kind).model.proto)), kind
