"""The samples of CP-SAT's documentation, re-written as models: the drop-in answers as CP-SAT does."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from ortools.sat.python import cp_model

from nnsearch.cpsat import CpSolver, RaceOptions

SAMPLES: dict[str, Callable[[], cp_model.CpModel]] = {}


def sample(build: Callable[[], cp_model.CpModel]) -> Callable[[], cp_model.CpModel]:
    SAMPLES[build.__name__] = build
    return build


@sample
def simple_solve() -> cp_model.CpModel:
    model = cp_model.CpModel()
    x, y, z = (model.new_int_var(0, 50, name) for name in "xyz")
    model.add(2 * x + 7 * y + 3 * z <= 50)
    model.add(3 * x - 5 * y + 7 * z <= 45)
    model.add(5 * x + 2 * y - 6 * z <= 37)
    model.maximize(2 * x + 2 * y + 3 * z)
    return model


@sample
def assignment() -> cp_model.CpModel:
    costs = [[90, 80, 75, 70], [35, 85, 55, 65], [125, 95, 90, 95], [45, 110, 95, 115], [50, 100, 90, 100]]
    model = cp_model.CpModel()
    x = [[model.new_bool_var(f"x[{i},{j}]") for j in range(4)] for i in range(5)]
    for row in x:
        model.add_at_most_one(row)
    for column in zip(*x, strict=True):
        model.add_exactly_one(column)
    model.minimize(sum(c * v for cost, row in zip(costs, x, strict=True) for c, v in zip(cost, row, strict=True)))
    return model


@sample
def nurses() -> cp_model.CpModel:
    model = cp_model.CpModel()
    shifts = {
        (n, d, s): model.new_bool_var(f"shift_n{n}_d{d}_s{s}") for n in range(4) for d in range(3) for s in range(3)
    }
    for d, s in itertools.product(range(3), range(3)):
        model.add_exactly_one(shifts[n, d, s] for n in range(4))
    for n, d in itertools.product(range(4), range(3)):
        model.add_at_most_one(shifts[n, d, s] for s in range(3))
    for n in range(4):
        worked = sum(shifts[n, d, s] for d in range(3) for s in range(3))
        model.add(worked >= 2)
        model.add(worked <= 3)
    return model


@sample
def job_shop() -> cp_model.CpModel:
    jobs = [[(0, 3), (1, 2), (2, 2)], [(0, 2), (2, 1), (1, 4)], [(1, 4), (2, 3)]]
    model = cp_model.CpModel()
    machines: dict[int, list[cp_model.IntervalVar]] = {}
    ends = []
    for job in jobs:
        previous: Any = 0
        for machine, duration in job:
            start, end = model.new_int_var(0, 21, "start"), model.new_int_var(0, 21, "end")
            machines.setdefault(machine, []).append(model.new_interval_var(start, duration, end, "task"))
            model.add(start >= previous)
            previous = end
        ends.append(previous)
    for tasks in machines.values():
        model.add_no_overlap(tasks)
    makespan = model.new_int_var(0, 21, "makespan")
    model.add_max_equality(makespan, ends)
    model.minimize(makespan)
    return model


@sample
def bin_packing() -> cp_model.CpModel:
    capacity, slack, bins = 100, 20, 5
    items = [(20, 6), (15, 6), (30, 4), (45, 3)]
    model = cp_model.CpModel()
    x = {(i, b): model.new_int_var(0, copies, f"x{i}_{b}") for i, (_, copies) in enumerate(items) for b in range(bins)}
    slacks = [model.new_bool_var(f"slack{b}") for b in range(bins)]
    for b in range(bins):
        load = model.new_int_var(0, capacity, f"load{b}")
        model.add(load == sum(x[i, b] * size for i, (size, _) in enumerate(items)))
        model.add(load <= capacity - slack).only_enforce_if(slacks[b])
        model.add(load > capacity - slack).only_enforce_if(~slacks[b])
    for i, (_, copies) in enumerate(items):
        model.add(sum(x[i, b] for b in range(bins)) == copies)
    model.maximize(sum(slacks))
    return model


@sample
def n_queens() -> cp_model.CpModel:
    model = cp_model.CpModel()
    queens = [model.new_int_var(0, 7, f"x_{i}") for i in range(8)]
    model.add_all_different(queens)
    model.add_all_different(queens[i] + i for i in range(8))
    model.add_all_different(queens[i] - i for i in range(8))
    return model


@sample
def cryptarithm() -> cp_model.CpModel:
    """CP + IS + FUN = TRUE."""
    model = cp_model.CpModel()
    c, i, f, t = (model.new_int_var(1, 9, name) for name in "CIFT")
    p, s, u, n, r, e = (model.new_int_var(0, 9, name) for name in "PSUNRE")
    model.add_all_different(c, p, i, s, f, u, n, t, r, e)
    model.add(c * 10 + p + i * 10 + s + f * 100 + u * 10 + n == t * 1000 + r * 100 + u * 10 + e)
    return model


@sample
def sudoku() -> cp_model.CpModel:
    given = "060050020000300090700600010006030400004070100005090800040001006030008000020040050"
    model = cp_model.CpModel()
    grid = [[model.new_int_var(1, 9, f"g{i}{j}") for j in range(9)] for i in range(9)]
    for row, column in zip(grid, zip(*grid, strict=True), strict=True):
        model.add_all_different(row)
        model.add_all_different(column)
    for i, j in itertools.product(range(0, 9, 3), range(0, 9, 3)):
        model.add_all_different(grid[i + k][j + m] for k in range(3) for m in range(3))
    for cell, value in zip(itertools.chain(*grid), given, strict=True):
        if value != "0":
            model.add(cell == int(value))
    return model


@sample
def element() -> cp_model.CpModel:
    model = cp_model.CpModel()
    index, target = model.new_int_var(0, 9, "index"), model.new_int_var(0, 100, "target")
    model.add_element(index, [7, 31, 4, 88, 45, 2, 93, 12, 60, 5], target)
    model.add(target <= 3 * index + 40)
    model.maximize(target)
    return model


@sample
def allowed_assignments() -> cp_model.CpModel:
    model = cp_model.CpModel()
    x, y, z = (model.new_int_var(0, 5, name) for name in "xyz")
    model.add_allowed_assignments([x, y, z], [(0, 5, 2), (2, 4, 1), (1, 4, 4), (3, 3, 3), (5, 1, 0)])
    model.add_forbidden_assignments([x, y], [(1, 4), (0, 5)])
    model.maximize(2 * x - y + 3 * z)
    return model


@sample
def travelling_salesman() -> cp_model.CpModel:
    distances = [
        [0, 10938, 4542, 2835, 29441, 2171],
        [10938, 0, 6422, 9742, 18988, 12974],
        [4542, 6422, 0, 3644, 25173, 6204],
        [2835, 9742, 3644, 0, 28681, 3239],
        [29441, 18988, 25173, 28681, 0, 31330],
        [2171, 12974, 6204, 3239, 31330, 0],
    ]
    model = cp_model.CpModel()
    arcs = [(i, j, model.new_bool_var(f"{j} follows {i}")) for i, j in itertools.permutations(range(6), 2)]
    model.add_circuit(arcs)
    model.minimize(sum(distances[i][j] * arc for i, j, arc in arcs))
    return model


@sample
def automaton() -> cp_model.CpModel:
    """Shifts of a week: at most two days of work in a row, at least two days off."""
    model = cp_model.CpModel()
    works = [model.new_bool_var(f"day{i}") for i in range(7)]
    model.add_automaton(works, 0, [0, 1, 2], [(0, 0, 0), (0, 1, 1), (1, 1, 2), (1, 0, 0), (2, 0, 0)])
    model.add(sum(works) <= 5)
    model.maximize(sum((i + 1) * day for i, day in enumerate(works)))
    return model


@sample
def no_overlap() -> cp_model.CpModel:
    """Three tasks and three weekends."""
    model = cp_model.CpModel()
    starts, intervals, ends = [], [], []
    for i, duration in enumerate((2, 4, 3)):
        starts.append(model.new_int_var(0, 21, f"start{i}"))
        ends.append(starts[i] + duration)
        intervals.append(model.new_fixed_size_interval_var(starts[i], duration, f"task{i}"))
    weekends = [model.new_fixed_size_interval_var(first, 2, "weekend") for first in (5, 12, 19)]
    model.add_no_overlap([*intervals, *weekends])
    makespan = model.new_int_var(0, 21, "makespan")
    for end in ends:
        model.add(end <= makespan)
    model.minimize(makespan)
    return model


@sample
def optional_cumulative() -> cp_model.CpModel:
    model = cp_model.CpModel()
    tasks, present, profit = [], [], []
    for i, (duration, demand) in enumerate([(3, 2), (4, 3), (2, 4), (5, 1), (3, 3), (6, 2)]):
        start = model.new_int_var(0, 8 - duration, f"start{i}")
        present.append(model.new_bool_var(f"present{i}"))
        tasks.append((model.new_optional_fixed_size_interval_var(start, duration, present[i], f"task{i}"), demand))
        profit.append(duration * demand * present[i])
    model.add_cumulative([task for task, _ in tasks], [demand for _, demand in tasks], 5)
    model.maximize(sum(profit))
    return model


@sample
def step_function() -> cp_model.CpModel:
    """2 on [5, 6], 0 on [0, 4] and [8, 10], 3 at 7 and beyond."""
    model = cp_model.CpModel()
    x, value = model.new_int_var(0, 20, "x"), model.new_int_var(0, 3, "value")
    steps = [(2, [5, 6]), (0, [*range(5), 8, 9, 10]), (3, [7, *range(11, 21)])]
    literals = []
    for height, places in steps:
        literal = model.new_bool_var(f"is{height}")
        model.add_linear_expression_in_domain(x, cp_model.Domain.from_values(places)).only_enforce_if(literal)
        model.add(value == height).only_enforce_if(literal)
        literals.append(literal)
    model.add_exactly_one(literals)
    model.minimize(10 * value - x)
    return model


@sample
def earliness_tardiness() -> cp_model.CpModel:
    model = cp_model.CpModel()
    x, cost = model.new_int_var(0, 20, "x"), model.new_int_var(0, 200, "cost")
    model.add_max_equality(cost, [8 * (5 - x), 0, 12 * (x - 15)])
    y = model.new_int_var(-20, 20, "y")
    model.add_abs_equality(cost, y)
    model.maximize(x + 3 * y)
    return model


@sample
def multiple_knapsack() -> cp_model.CpModel:
    weights = [48, 30, 42, 36, 36, 48, 42, 42, 36, 24]
    values = [10, 30, 25, 50, 35, 30, 15, 40, 30, 35]
    model = cp_model.CpModel()
    x = [[model.new_bool_var(f"x_{i}_{b}") for b in range(3)] for i in range(10)]
    for row in x:
        model.add_at_most_one(row)
    for b in range(3):
        model.add(sum(weights[i] * x[i][b] for i in range(10)) <= 100)
    model.maximize(sum(values[i] * x[i][b] for i in range(10) for b in range(3)))
    return model


@sample
def golomb_ruler() -> cp_model.CpModel:
    model = cp_model.CpModel()
    marks = [model.new_int_var(0, 30, f"mark{i}") for i in range(6)]
    model.add(marks[0] == 0)
    for one, other in itertools.pairwise(marks):
        model.add(one < other)
    model.add_all_different(b - a for a, b in itertools.combinations(marks, 2))
    model.minimize(marks[-1])
    return model


@sample
def infeasible_pigeons() -> cp_model.CpModel:
    model = cp_model.CpModel()
    holes = [[model.new_bool_var(f"p{i}h{j}") for j in range(4)] for i in range(5)]
    for row in holes:
        model.add_exactly_one(row)
    for column in zip(*holes, strict=True):
        model.add_at_most_one(column)
    return model


@sample
def boolean_product() -> cp_model.CpModel:
    model = cp_model.CpModel()
    x, y, p = (model.new_bool_var(name) for name in "xyp")
    model.add_bool_or(~x, ~y, p)
    model.add_implication(p, x)
    model.add_implication(p, y)
    model.add_bool_xor(x, y, p)
    model.maximize(2 * p + x - 3 * y)
    return model


@sample
def fractional_objective() -> cp_model.CpModel:
    model = cp_model.CpModel()
    x, y = (model.new_int_var(0, 9, name) for name in "xy")
    model.add(3 * x + 2 * y <= 25)
    model.maximize(0.5 * x + 0.25 * y - 1.5)
    return model


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("name", SAMPLES)
def test_answers_as_cp_sat_does(name: str, workers: int) -> None:
    model = SAMPLES[name]()
    before = str(model.proto)
    plain = cp_model.CpSolver()
    plain.parameters.num_workers = workers
    expected = plain.solve(model)
    assert expected in (cp_model.OPTIMAL, cp_model.INFEASIBLE)

    solver = CpSolver(scorer="bp", options=RaceOptions(head_start=0))
    solver.parameters.num_workers = workers
    status = solver.solve(model)

    assert str(model.proto) == before
    assert status == expected
    assert solver.race is not None
    assert solver.race.winner in ("learned", "cp-sat")
    assert solver.race.error is None
    assert solver.status_name(status) == expected.name
    assert f"status: {expected.name}" in solver.response_stats()
    assert solver.objective_value == pytest.approx(plain.objective_value)
    if model.has_objective():
        assert solver.best_objective_bound == pytest.approx(plain.best_objective_bound)
    if status == cp_model.OPTIMAL:
        fixed = model.clone()
        for index, proto in enumerate(model.proto.variables):
            variable = model.get_int_var_from_proto_index(index)
            value = solver.value(variable)
            if list(proto.domain) == [0, 1]:
                assert solver.boolean_value(model.get_bool_var_from_proto_index(index)) == bool(value)
            fixed.add(fixed.get_int_var_from_proto_index(index) == value)
        assert plain.solve(fixed) == cp_model.OPTIMAL
        assert plain.objective_value == pytest.approx(solver.objective_value)
