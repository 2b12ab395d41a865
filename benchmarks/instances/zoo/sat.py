"""Clauses: planted and over-constrained 3-SAT, weighted soft clauses, parities."""

from __future__ import annotations

from random import Random

from ortools.sat.python import cp_model

from benchmarks.instances.zoo.rules import require
from benchmarks.instances.zoo.zoo_model import Size, Value, ZooModel

Clause = list[tuple[int, bool]]
"""Variables, and what they are where they make the clause true."""


def _clauses(number: int, variables: int, rng: Random) -> list[Clause]:
    return [[(v, rng.random() < 0.5) for v in rng.sample(range(variables), 3)] for _ in range(number)]


def _holds(clause: Clause, true: list[bool]) -> bool:
    return any(true[v] == sign for v, sign in clause)


def _variables(model: cp_model.CpModel, number: int) -> list[cp_model.IntVar]:
    return [model.new_bool_var(f"x[{v}]") for v in range(number)]


def _literals(clause: Clause, x: list[cp_model.IntVar]) -> list[cp_model.LiteralT]:
    return [x[v] if sign else ~x[v] for v, sign in clause]


def planted_sat(size: Size, rng: Random) -> ZooModel:
    """Clauses of three literals that a hidden assignment satisfies."""
    variables, number = size.choose((150, 630), (1500, 6400), (2500, 10700))
    hidden = [rng.random() < 0.5 for _ in range(variables)]
    clauses: list[Clause] = []
    while len(clauses) < number:
        clauses += [clause for clause in _clauses(1, variables, rng) if _holds(clause, hidden)]
    model = cp_model.CpModel()
    x = _variables(model, variables)
    for clause in clauses:
        model.add_bool_or(_literals(clause, x))

    def check(value: Value) -> None:
        true = [bool(value(v)) for v in x]
        require(all(_holds(clause, true) for clause in clauses), "every clause holds")

    return ZooModel(model, check)


def crowded_sat(size: Size, rng: Random) -> ZooModel:
    """So many clauses of three literals that hardly any instance has a solution."""
    variables = size.choose(90, 170, 230)
    clauses = _clauses(11 * variables // 2, variables, rng)
    model = cp_model.CpModel()
    x = _variables(model, variables)
    for clause in clauses:
        model.add_bool_or(_literals(clause, x))

    def check(value: Value) -> None:
        true = [bool(value(v)) for v in x]
        require(all(_holds(clause, true) for clause in clauses), "every clause holds")

    return ZooModel(model, check, satisfiable=None)


def weighted_max_sat(size: Size, rng: Random) -> ZooModel:
    """Hard clauses hold, soft ones are worth their weight where they hold."""
    variables = size.choose(25, 52, 75)
    hidden = [rng.random() < 0.5 for _ in range(variables)]
    hard = [clause for clause in _clauses(2 * variables, variables, rng) if _holds(clause, hidden)]
    soft = _clauses(5 * variables, variables, rng)
    weight = [rng.randint(1, 20) for _ in soft]
    model = cp_model.CpModel()
    x = _variables(model, variables)
    for clause in hard:
        model.add_bool_or(_literals(clause, x))
    holds = [model.new_bool_var(f"holds[{c}]") for c in range(len(soft))]
    for literal, clause in zip(holds, soft, strict=True):
        model.add_bool_or(_literals(clause, x)).only_enforce_if(literal)
    model.maximize(cp_model.LinearExpr.weighted_sum(holds, weight))

    def check(value: Value) -> int:
        true = [bool(value(v)) for v in x]
        require(all(_holds(clause, true) for clause in hard), "every hard clause holds")
        claimed = [bool(value(literal)) for literal in holds]
        really = [_holds(clause, true) for clause in soft]
        require(all(r or not c for c, r in zip(claimed, really, strict=True)), "what is paid for holds")
        return sum(w for w, c in zip(weight, claimed, strict=True) if c)

    return ZooModel(model, check)


def parities(size: Size, rng: Random) -> ZooModel:
    """Sums of some variables are even or odd; the last one contradicts the sum of some of the others."""
    variables = size.choose(40, 120, 170)
    hidden = [rng.random() < 0.5 for _ in range(variables)]
    rows = [set(rng.sample(range(variables), 4)) for _ in range(variables - 2)]
    together: set[int] = set()
    for row in rng.sample(rows, variables // 2):
        together ^= row
    odd = [sum(hidden[v] for v in row) % 2 == 1 for row in [*rows, together]]
    odd[-1] = not odd[-1]
    rows.append(together)
    model = cp_model.CpModel()
    x = _variables(model, variables)
    for row, is_odd in zip(rows, odd, strict=True):
        model.add_bool_xor([*(x[v] for v in sorted(row)), not is_odd])

    def check(value: Value) -> None:
        sums = [sum(value(x[v]) for v in row) % 2 == 1 for row in rows]
        require(sums == odd, "the sums are even or odd as told")

    return ZooModel(model, check, satisfiable=False)
