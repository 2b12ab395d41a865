from __future__ import annotations

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from ortools.sat.python import cp_model

from benchmarks.__main__ import main
from benchmarks.records import read_records
from benchmarks.rendering.text import text
from benchmarks.studies.preferences.findings import summary
from benchmarks.studies.preferences.learned_pairs import learned_pairs
from benchmarks.studies.preferences.pair_terms import PairTerm, counted_pairs
from benchmarks.studies.preferences.planners import CASES, best_solution
from benchmarks.studies.preferences.study import ARMS, PreferencesStudy, jobs
from nnsearch.errors import ConfigError

pytestmark = pytest.mark.slow


def test_the_best_solution_is_that_of_brute_force() -> None:
    rng = np.random.default_rng(0)
    values = np.arange(4)
    worths = {name: rng.normal(size=4) for name in "abc"}
    pairs = [PairTerm("a", "c", values, values, rng.normal(0, 3, (4, 4)))]
    pairs += [PairTerm("b", "c", values[:2], values, rng.normal(0, 3, (2, 4)))]  # nothing of the other values of b

    def worth(solution: tuple[int, ...]) -> float:
        of = dict(zip("abc", solution, strict=True))
        return sum(float(worths[x][of[x]]) for x in "abc") + sum(
            term.of(of[term.first], of[term.second]) for term in pairs
        )

    model = cp_model.CpModel()
    model.add_all_different([model.new_int_var(0, 3, name) for name in "abc"])
    assert tuple(best_solution(model, worths, pairs)) == max(permutations(range(4), 3), key=worth)


@pytest.mark.parametrize("way", ["counted", "learned"])
def test_what_goes_together_is_found(way: str) -> None:
    rng = np.random.default_rng(1)
    first, second = rng.integers(0, 3, (2, 200))
    solutions = np.stack([first, second, (first + 1) % 3], axis=1)
    names = ["first", "second", "after first"]
    terms = counted_pairs(names, solutions) if way == "counted" else learned_pairs(names, solutions)[1]
    (term,) = [term for term in terms if np.abs(term.worth).max() > 0.5]
    assert (term.first, term.second) == ("first", "after first")
    assert (term.worth.argmax(axis=1) == [1, 2, 0]).all()


@pytest.mark.parametrize("name", list(CASES))
def test_planners_keep_to_the_model_and_to_what_they_like(name: str) -> None:
    case, rng = CASES[name](0), np.random.default_rng(0)
    data = case.draw(rng)
    best, moody = (case.plan(data, mood, rng) for mood in (0.0, 5.0))
    assert case.worth(data, best) >= case.worth(data, moody) - 0.1, "but for rounding"
    fixed = case.build(data)
    for place, value in enumerate(best):
        fixed.add(fixed.get_int_var_from_proto_index(place) == value)
    assert cp_model.CpSolver().solve(fixed) == cp_model.OPTIMAL


def test_each_arm_is_a_line_and_a_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "results.jsonl"
    arms = ["counting", "network", "network as an order"]
    size = ["--cases", "deputies", "--arms", *arms, "--seeds", "1", "--plans", "12", "--instances", "1", "--steps", "1"]
    assert main(["study", "preferences", *size, "--runs", str(tmp_path / "runs"), "--output", str(output)]) == 0
    records = read_records(output)
    assert [record["config"]["arm"] for record in records] == arms
    assert all(len(record["result"]["kept"]) == 1 and record["result"]["kept"][0] <= 1.001 for record in records)
    assert [record["result"]["training"] is not None for record in records] == [False, True, True]
    assert text(summary(records)) in capsys.readouterr().out


def test_what_cannot_be_run_is_refused() -> None:
    with pytest.raises(ConfigError, match="cases: expected"):
        PreferencesStudy(cases=("nurses",))
    with pytest.raises(ConfigError, match="plans: expected 5 or more, got 4"):
        PreferencesStudy(plans=4)
    assert len(jobs(PreferencesStudy(seeds=2, cases=("crews",)))) == 2 * len(ARMS)
