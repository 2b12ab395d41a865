from __future__ import annotations

import pytest
from ortools.sat.python import cp_model
from past_solves import past_solve, sketch_of, some_model
from sqlalchemy import text

from nnsearch.errors import HistoryError
from nnsearch.history.line_up import FULL_SUBSOLVERS, LineUp, best_line_up, finder_of
from nnsearch.history.store import Store
from nnsearch.plain_solver import plain_solver


@pytest.mark.parametrize(
    ("solution_info", "finder"),
    [
        ("no_lp", "no_lp"),
        ("graph_var_lns (d=7.07e-01 s=44 t=0.10 p=1.00 stall=0 h=base)", "graph_var_lns"),
        ("fj_restart(batch:1 lin{mvs:20'000 evals:48'331} #w_updates:0 #perturb:0)", "fj_restart"),
        ("", ""),
        ("[hint]", ""),
    ],
)
def test_cp_sat_says_who_found_a_solution(solution_info: str, finder: str) -> None:
    assert finder_of(solution_info) == finder


@pytest.mark.parametrize(
    ("solves", "workers", "best"),
    [
        ([{"no_lp": 9, "default_lp": 3, "graph_var_lns": 50}], 2, ("no_lp",)),
        ([{"no_lp": 9, "default_lp": 3}, {"default_lp": 7, "fixed": 1}], 4, ("default_lp", "no_lp")),
        ([{"no_lp": 90, "default_lp": 8}], 8, ("no_lp",)),  # less than a tenth
        ([{"default_lp": 900}] * 9 + [{"no_lp": 2, "default_lp": 1}], 2, ("no_lp",)),  # those nine were alone
        ([{"default_lp": 900}, {"graph_var_lns": 7}, {}], 2, ("default_lp",)),
        ([{"no_lp": 9, "default_lp": 3}], 1, ()),
        ([{"graph_var_lns": 9, "no_lp": 0, "unheard_of": 3}], 8, ()),
        ([], 8, ()),
    ],
)
def test_the_best_full_subsolvers(solves: list[dict[str, int]], workers: int, best: tuple[str, ...]) -> None:
    assert best_line_up(solves, workers) == best


@pytest.mark.parametrize("name", sorted(FULL_SUBSOLVERS))
def test_cp_sat_knows_the_full_subsolvers(name: str) -> None:
    model = cp_model.CpModel()
    x = [model.new_int_var(0, 9, f"x{i}") for i in range(3)]
    model.add_all_different(x)
    model.maximize(x[0] + 2 * x[1])
    solver = plain_solver()
    solver.parameters.num_workers = 2
    solver.parameters.subsolvers.append(name)
    assert solver.solve(model) == cp_model.OPTIMAL


def test_what_is_measured_last_is_known_for_as_many_workers(store_location: str) -> None:
    first, last = LineUp(("no_lp", "fixed"), 4, False, "0.99"), LineUp(("no_lp",), 4, True, "0.5")
    with Store(store_location) as store:
        for line_up in (first, last):
            store.keep_line_up("loads", line_up)
            assert store.line_up("loads", 4) == line_up
        assert store.line_up("loads", 2) is None
        assert store.line_up("others", 4) is None


def test_a_store_of_the_format_before_is_brought_up_to_date(store_location: str) -> None:
    with Store(store_location) as store:
        number = store.record(past_solve(), some_model(), sketch_of(1))
        with store._database.removing() as connection:
            for statement in (
                "DROP TABLE nnsearch_line_ups",
                "ALTER TABLE nnsearch_solves DROP COLUMN improvements",
                "UPDATE nnsearch_history SET format = 1",
            ):
                connection.execute(text(statement))
    with Store(store_location, make=False) as store:
        assert store.load(number).improvements == {}, "nobody knows them"
        store.record(past_solve(), some_model(), sketch_of(1))
        store.keep_line_up("loads", LineUp(("no_lp",), 4, True, "0.5"))
    with Store(store_location) as store:
        assert len(store.solves()) == 2
        assert store.line_up("loads", 4) is not None


@pytest.mark.parametrize("damage", ["[]", "{", '{"no_lp": "many"}', "[" * 100_000])
def test_damaged_improvements(damage: str, store_location: str) -> None:
    with Store(store_location) as store:
        number = store.record(past_solve(), some_model(), sketch_of(1))
        with store._database.adding() as connection:
            connection.execute(text("UPDATE nnsearch_solves SET improvements = :damage"), {"damage": damage})
        for read in (lambda: store.load(number), lambda: store.improvements(past_solve().family)):
            with pytest.raises(HistoryError, match="damaged"):
                read()
