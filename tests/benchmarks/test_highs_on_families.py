from __future__ import annotations

import pytest
from ortools.sat.python import cp_model

from benchmarks.checked_solve import ClockedSolve, checked
from benchmarks.instances.families import FAMILIES, Part, Scale
from nnsearch import highs
from nnsearch.errors import NNSearchError
from nnsearch.model.prepared import PreparedModel
from nnsearch.model.relaxation import Relaxation
from nnsearch.result import Status

LOG = """\
     Nodes      |    B&B Tree     |            Objective Bounds              |  Dynamic Constraints |       Work
Src Proc. InQueue |  Leaves   Expl. | BestBound      BestSol              Gap |   Cuts   InLp Confl. | LpIters     Time

      0       0         0   0.00%   -inf            inf                  inf        0      0      0         0     0.0s
 J    0       0         0   0.00%   -inf            -14.5              Large        0      0      0         0     0.2s
 R    0       0         0   0.00%   5496.459335     -53130            89.65%        0      0      0      3194     2.0s
      0       0         0   0.00%   5496.459335     -53130            89.65%        0      0      0      3194     2.0s
      0       0         0   0.00%   5496.459335     -53131            89.65%        0      0      0     1234k     2.0s

39.5% inactive integer columns, restarting
  Gap               89.28% (tolerance: 0.01%)
  Timing            10.01
"""


def test_a_linear_model_is_solved_and_checked() -> None:
    drawn = FAMILIES["knapsack"].build(Scale.TINY, Part.TEST, 0, 0)
    solved = highs.solve_by_highs(drawn.model, seed=1, workers=1, seconds=20.0)
    result, _ = checked(drawn, lambda: ClockedSolve(solved, solved.status, solved.seconds, list(solved.solutions)))
    assert solved.holds
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    assert solver.solve(drawn.model) == cp_model.OPTIMAL
    assert result["wrong"] is None
    assert result["status"] == Status.OPTIMAL
    assert result["objective_value"] == result["best_objective_bound"] == solver.objective_value
    assert result["solutions"][-1][1] == solver.objective_value
    assert 0 < result["first_solution_seconds"] < result["wall_seconds"]


def test_ends_without_a_solution() -> None:
    model = cp_model.CpModel()
    several = [model.new_int_var(0, 9, f"x{i}") for i in range(3)]
    model.add(2 * sum(several) == 7)
    model.minimize(several[0])
    program = Relaxation.of(PreparedModel.of(model)).program
    assert highs._solve(program, 1, 1, 20.0)[:2] == (Status.INFEASIBLE, None)
    hard = Relaxation.of(PreparedModel.of(FAMILIES["set-cover"].build(Scale.X1, Part.TEST, 0, 0).model)).program
    assert highs._solve(hard, 1, 1, 0.0).status in (Status.UNKNOWN, Status.FEASIBLE)


def test_solutions_are_read_from_the_log() -> None:
    rows = [(float(number), line) for number, line in enumerate(LOG.splitlines())]
    assert list(highs._improvements(rows)) == [(4.0, -14.5), (5.0, -53130.0), (7.0, -53131.0)]


def test_what_is_linear() -> None:
    linear = [
        name for name, family in FAMILIES.items() if highs.is_linear(family.build(Scale.TINY, Part.TEST, 0, 0).model)
    ]
    assert linear == [
        *("rosters", "set-cover", "generalised-assignment", "facility-location", "independent-set", "knapsack"),
        *("shift-rosters", "bin-packing", "lot-sizing"),
    ]
    with pytest.raises(NNSearchError, match="expected a linear model"):
        highs._linear(FAMILIES["job-shops"].build(Scale.TINY, Part.TEST, 0, 0).model)
