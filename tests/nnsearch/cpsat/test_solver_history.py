from __future__ import annotations

import itertools
import logging
import math
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ortools.sat.python import cp_model
from ortools.sat.python import cp_model_helper as cmh
from silent_runs import LostHint, SilentRun, silence
from stand_ins import PATIENCE, RandomGraphScorer
from stopping import bounded, stopped_after_the_first

from benchmarks.instances.families import FAMILIES, Part, Scale
from nnsearch.cpsat import CpSolver, RaceOptions
from nnsearch.cpsat import solver as solver_module
from nnsearch.cpsat.keeping import few_changes
from nnsearch.cpsat.past import Past, PastOf
from nnsearch.cpsat.racing import answers, track
from nnsearch.cpsat.racing.standing import Standing
from nnsearch.cpsat.run import CpSatRun
from nnsearch.cpsat.schedules.search import ScheduleSearch
from nnsearch.cpsat.starts import start
from nnsearch.errors import ConfigError
from nnsearch.history.line_up import LineUp
from nnsearch.history.store import Store
from nnsearch.model.prepared import PreparedModel
from nnsearch.model.variables import fix
from nnsearch.plain_solver import plain_solver
from nnsearch.result import Status


def packing(values: list[int], *, maximise: bool = True, names: str = "x", weight: int = 3) -> cp_model.CpModel:
    """Take things of a weight each; nothing is lost by a few changed values."""
    model = cp_model.CpModel()
    x = [model.new_bool_var(f"{names}{i}") for i in range(len(values))]
    model.add(sum(weight * v for v in x) <= 20)
    for one, other in zip(x[::2], x[1::2], strict=False):
        model.add_at_most_one(one, other)
    total = sum(c * v for c, v in zip(values, x, strict=True))
    if maximise:
        model.maximize(total)
    else:
        model.minimize(100 - total)
    return model


def rows(n: int, missing: bool = False) -> cp_model.CpModel:
    """A permutation, or one more value than there are; no objective."""
    model = cp_model.CpModel()
    x = [model.new_int_var(0, n - 1 - missing, f"x{i}") for i in range(n)]
    model.add_all_different(x)
    return model


def with_history(path: Path | str, scorer: Any = None, **more: Any) -> CpSolver:
    options = RaceOptions(head_start=0, trial_seconds=0, start_seconds=PATIENCE)
    solver = CpSolver(scorer, history=path, options=options, **more)
    solver.parameters.num_workers = 1
    solver.parameters.max_time_in_seconds = PATIENCE
    return solver


VALUES = [5, 9, 2, 8, 7, 7, 1, 3, 6, 4, 9, 2, 5, 5, 8]


@pytest.mark.parametrize("scorer", [None, "bp"])
@pytest.mark.parametrize("maximise", [True, False])
def test_the_second_solve_begins_from_the_first(
    scorer: Any, maximise: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "plans.db"
    assert with_history(path).solve(packing(VALUES, maximise=maximise)) == cp_model.OPTIMAL
    changed = packing([9, 9, *VALUES[2:]], maximise=maximise)
    best = plain_solver()
    best.solve(changed)
    silence(monkeypatch)
    solver = with_history(path, scorer)
    shown: list[float] = []

    class Watch(cp_model.CpSolverSolutionCallback):  # type: ignore[misc]
        def on_solution_callback(self) -> None:
            shown.append(self.objective_value)

    assert solver.solve(changed, Watch()) == cp_model.OPTIMAL
    assert solver.objective_value == best.objective_value
    assert shown[-1] == best.objective_value
    assert len(set(shown)) == len(shown)
    assert solver.race is not None
    assert solver.race.contribution in ("start", "solution")
    assert "solve 1 of the history" in solver.race.why
    assert len(solver.response_proto.additional_solutions) == 0


@pytest.mark.parametrize(
    ("how", "neighbourhoods"),
    [
        ({"num_workers": 2}, True),
        ({"num_workers": 1}, False),
        ({"num_workers": 2, "use_lns": False}, False),
        ({"num_workers": 2, "subsolvers": ["no_lp"]}, False),
    ],
)
def test_from_the_start_cp_sat_searches_neighbourhoods_and_then_the_whole_model(
    how: dict[str, Any], neighbourhoods: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "plans.db"
    with_history(path).solve(packing(VALUES))
    only: list[bool] = []

    class Noted(SilentRun):
        def __new__(cls, model: cp_model.CpModel, parameters: Any, **more: Any) -> Any:
            only.append("ls*" in parameters.filter_subsolvers)
            return object.__new__(cls) if only[-1] else super().__new__(cls, model, parameters, **more)

    silence(monkeypatch, Noted)
    solver = CpSolver(None, history=path, options=RaceOptions(head_start=0, trial_seconds=0))
    solver.parameters.max_time_in_seconds = PATIENCE
    for name, value in how.items():
        if isinstance(value, list):
            getattr(solver.parameters, name).extend(value)
        else:
            setattr(solver.parameters, name, value)
    changed = packing([9, 9, *VALUES[2:]])
    assert solver.solve(changed) == cp_model.OPTIMAL
    best = plain_solver()
    best.solve(changed)
    assert solver.objective_value == best.objective_value
    assert only == ([False, True, False] if neighbourhoods else [False, False])
    assert solver.race is not None
    assert "solve 1 of the history" in solver.race.why


def test_neighbourhoods_and_local_search_take_all_workers() -> None:
    """Names of subsolvers are CP-SAT's own, and change from one version to the next."""
    solver, log = plain_solver(), list[str]()
    solver.parameters.num_workers = 2
    solver.parameters.stop_after_first_solution = True
    solver.parameters.cp_model_presolve = False
    solver.parameters.log_search_progress, solver.parameters.log_to_stdout = True, False
    solver.parameters.filter_subsolvers.extend(track._IMPROVING)
    solver.log_callback = log.append
    solver.solve(FAMILIES["set-cover"].build(Scale.TINY, Part.TEST, 0, 0).model)
    text = "\n".join(log)
    at_work = next(line for line in text.splitlines() if "interleaved subsolvers: [" in line)
    assert " ls," in at_work
    assert "rnd_var_lns" in at_work
    assert "full problem subsolver" not in text


@pytest.mark.parametrize("near", [False, True])
def test_cp_sat_begins_again_at_once_where_what_it_has_is_clearly_worse(
    near: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start is improved only where to begin again may cost more than it gives."""
    path = tmp_path / "plans.db"
    with_history(path).solve(packing(VALUES))
    asked: list[bool] = []

    def improved(_: PastOf, start: Any, ends: float, stop: Callable[[], bool], *more: Any) -> Iterator[Any]:
        asked.append(stop())
        if near:
            solver.stop_search()  # nobody else would
        return iter(())

    silence(monkeypatch)
    monkeypatch.setattr(PastOf, "improved", improved)
    for name, answer in (("has_solution", True), ("is_ahead", True), ("is_near", near), ("is_surpassed", False)):
        monkeypatch.setattr(f"nnsearch.cpsat.racing.standing.Standing.{name}", lambda *_, answer=answer: answer)
    solver = CpSolver(None, history=path, options=RaceOptions(head_start=0, trial_seconds=PATIENCE))
    solver.parameters.num_workers = 1
    solver.parameters.max_time_in_seconds = PATIENCE / 2
    assert solver.solve(packing([9, 9, *VALUES[2:]])) == (cp_model.FEASIBLE if near else cp_model.OPTIMAL)
    assert asked == [not near]


@pytest.mark.parametrize("maximise", [True, False])
def test_the_answer_is_never_worse_than_the_start(
    maximise: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "plans.db"
    first = with_history(path)
    first.solve(packing(VALUES, maximise=maximise))
    silence(monkeypatch, LostHint)
    solver = with_history(path)
    assert solver.solve(packing(VALUES, maximise=maximise)) == cp_model.FEASIBLE
    assert solver.objective_value == first.objective_value
    assert solver.race is not None
    assert (solver.race.winner, solver.race.contribution) == ("history", "solution")
    assert solver.changes == []


def test_without_an_objective_the_start_is_the_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "plans.db"
    with_history(path).solve(rows(8))
    silence(monkeypatch, LostHint)
    solver = with_history(path)
    assert solver.solve(rows(9)) == cp_model.OPTIMAL
    assert solver.race is not None
    assert (solver.race.winner, solver.race.contribution) == ("history", "solution")


@pytest.mark.parametrize("objective", [False, True])
def test_a_start_does_not_wait_for_the_head_start_of_the_learned_search(
    objective: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "plans.db"
    model = packing(VALUES) if objective else rows(8)
    with_history(path).solve(model)
    silence(monkeypatch)
    solver = CpSolver(None, history=path, options=RaceOptions(head_start=2 * PATIENCE, trial_seconds=0))
    with bounded():
        assert solver.solve(model) == cp_model.OPTIMAL
    assert solver.race is not None
    assert "solve 1 of the history" in solver.race.why


def test_changes_are_told_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "plans.db"
    with_history(path).solve(packing([9, 1, 1, 1], weight=20))
    silence(monkeypatch)
    solver = with_history(path)
    solver.solve(packing([1, 1, 9, 1], weight=20))
    assert solver.changes == [("x0", 1, 0), ("x2", 0, 1)]


@pytest.mark.parametrize(
    ("model", "status"),
    [(packing(VALUES), Status.OPTIMAL), (rows(5), Status.OPTIMAL), (rows(4, missing=True), Status.INFEASIBLE)],
)
def test_what_is_kept_of_a_solve(model: cp_model.CpModel, status: Status, tmp_path: Path) -> None:
    model.name = "the family"
    solver = with_history(tmp_path / "plans.db", RandomGraphScorer())
    solver.parameters.random_seed = 7
    model.add_hint(model.get_int_var_from_proto_index(0), 0)
    for _ in range(2):
        solver.solve(model)
    model.clear_hints()
    with Store(tmp_path / "plans.db") as store:
        (summary,) = store.families()
        assert summary.family == "the family"
        assert [solve.number for solve in store.solves("the family")] == [2, 1]
        past = store.load(2)
        assert past.status is status
        assert past.found_by == (solver.race.winner if solver.race else None)
        assert "random_seed: 7" in past.parameters
        assert past.names == tuple(variable.name for variable in model.proto.variables)
        if status is Status.OPTIMAL:
            assert past.solutions[0].values.tolist() == list(solver.response_proto.solution)
            assert past.objective == (solver.objective_value if model.has_objective() else None)
        if model.has_objective():
            assert past.bound == solver.best_objective_bound
            objectives = [solution.objective or 0.0 for solution in past.solutions]
            assert objectives == sorted(objectives, reverse=True), "the pool, best first"


def test_a_solve_that_cp_sat_has_for_itself_is_kept_too(tmp_path: Path) -> None:
    solver = with_history(tmp_path / "plans.db", "bp")
    solver.parameters.fill_additional_solutions_in_response = True
    solver.solve(packing(VALUES))
    assert len(solver.response_proto.additional_solutions), "the user asked for them"
    with Store(tmp_path / "plans.db") as store:
        assert len(store.solves()) == 1


def test_only_the_family_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "plans.db"
    with_history(path, family="one").solve(rows(8))
    silence(monkeypatch, LostHint)
    solver = with_history(path, family="other")
    assert solver.solve(rows(8)) == cp_model.UNKNOWN
    assert solver.race is not None
    assert solver.race.why == "the end came first; history gave nothing: nothing is near"


def test_where_a_name_is_that_of_a_day_all_of_the_store_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "plans.db"
    yesterday, today, later = rows(8), rows(8), rows(8)
    yesterday.name, today.name, later.name = "Monday", "Tuesday", "Monday"
    with_history(path).solve(yesterday)
    silence(monkeypatch, LostHint)
    solver = with_history(path)
    assert solver.solve(today) == cp_model.OPTIMAL
    assert solver.race is not None
    assert solver.race.why.startswith("solve 1 of the history led to the ")
    assert solver.solve(later) == cp_model.OPTIMAL
    assert solver.race.why.startswith("solve 1 of the history led to the "), "its own name comes first"


def test_where_nothing_is_near_a_store_is_asked_once_for_the_name_and_once_for_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, asked = tmp_path / "plans.db", list[str | None]()
    with_history(path, family="loads").solve(packing(VALUES, names="y"))

    def noted(store: Store, family: str | None, *more: Any) -> Any:
        asked.append(family)
        return sketches(store, family, *more)

    sketches = Store.sketches
    monkeypatch.setattr(Store, "sketches", noted)
    for name, expected in (("Tuesday", ["Tuesday", None]), ("", [None])):
        asked.clear()
        model = packing(VALUES)
        model.name = name
        with_history(path, keep=1).solve(model)
        assert asked == expected


def test_a_past_solution_that_local_search_does_not_mend_is_annealed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "plans.db"
    with_history(path).solve(packing(VALUES))
    silence(monkeypatch, LostHint)
    for other in ("_mended", "_replayed"):
        monkeypatch.setattr(start, other, lambda *_: iter(()))
    solver = with_history(path)
    assert solver.solve(packing(VALUES, weight=4)) == cp_model.FEASIBLE
    assert solver.race is not None
    assert solver.race.why.startswith("solve 1 of the history led to the ")


def test_models_that_share_no_name_are_not_near(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "plans.db"
    with_history(path).solve(packing(VALUES, names="y"))
    silence(monkeypatch, LostHint)
    solver = with_history(path)
    assert solver.solve(packing(VALUES)) == cp_model.UNKNOWN
    assert solver.race is not None
    assert "nothing is near" in solver.race.why


@pytest.mark.parametrize("damage", ["no database", "locked", "directory"])
def test_a_store_that_cannot_be_used_is_a_line_of_warning(
    damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "plans.db"
    lock: sqlite3.Connection | None = None
    if damage == "no database":
        path.write_bytes(b"this is a letter to my aunt" * 100)
    elif damage == "directory":
        path.mkdir()
    else:
        with_history(path).solve(packing(VALUES))
    solver = with_history(path)
    if damage == "locked":
        lock = sqlite3.connect(path, isolation_level=None)
        lock.execute("BEGIN EXCLUSIVE")
    with caplog.at_level(logging.WARNING):
        assert solver.solve(packing(VALUES)) == cp_model.OPTIMAL
    if lock is not None:
        lock.close()
    lines = [record.getMessage() for record in caplog.records]
    assert lines
    assert len(lines) <= 2, "one to read, one to write"
    assert all("\n" not in line and line.startswith("the solve goes on without a history: ") for line in lines)
    best = plain_solver()
    best.solve(packing(VALUES))
    assert solver.objective_value == best.objective_value


def test_invalid_models_are_not_kept(tmp_path: Path) -> None:
    model = cp_model.CpModel()
    model.new_int_var_from_domain(cp_model.Domain.from_values([]), "none")
    assert with_history(tmp_path / "plans.db").solve(model) == cp_model.MODEL_INVALID
    with Store(tmp_path / "plans.db") as store:
        assert store.solves() == []


@pytest.mark.parametrize("sense", ["maximise", "minimise", "floating", "none"])
def test_few_changes_are_a_wish(sense: str, tmp_path: Path) -> None:
    """Nine things of which four are chosen; another four are better by one each, or as good."""

    def model(bonus: int) -> cp_model.CpModel:
        made = cp_model.CpModel()
        x = [made.new_bool_var(f"x{i}") for i in range(8)]
        y = made.new_int_var(0, 9, "y")
        made.add(sum(x) == 4)
        made.add(y >= 3)
        gain = sum(x[:4]) * bonus + sum(x[4:])
        if sense == "maximise":
            made.maximize(gain)
        elif sense == "minimise":
            made.minimize(20 - gain)
        elif sense == "floating":
            made.maximize(0.5 * gain)
        elif bonus == 2:
            made.add(sum(x[:4]) == 4)
            made.add(y == 5)
        return made

    path = tmp_path / "plans.db"
    with_history(path).solve(model(2))
    free, close = with_history(tmp_path / "plans.db", keep=1, keep_only=lambda name: False), with_history(path, keep=3)
    assert close.solve(model(0)) == cp_model.OPTIMAL
    assert close.changes == []
    assert len(close.response_proto.solution) == 9
    own = {"maximise": 0, "minimise": 20, "floating": 0, "none": 0}[sense]
    assert close.objective_value == own, "no change costs anything"
    assert free.solve(model(0)) == cp_model.OPTIMAL
    if sense != "none":
        assert {change.name for change in free.changes} >= {f"x{i}" for i in range(8)}
        assert free.objective_value == {"maximise": 4, "minimise": 16, "floating": 2}[sense]
    one_only = with_history(path, keep=3, keep_only=lambda name: name == "x0")
    one_only.solve(model(0))
    with Store(path) as store:
        kept = store.load(2)
        assert len(kept.names) == 9
        assert kept.status is (Status.OPTIMAL if sense == "none" else Status.FEASIBLE), "of its own objective no proof"
        assert kept.objective == (None if sense == "none" else own)
        assert kept.bound is None


def test_the_price_of_changes_is_in_the_objective(tmp_path: Path) -> None:
    path = tmp_path / "plans.db"
    with_history(path).solve(packing([9, 1, 1, 1], weight=20))
    solver = with_history(path, keep=2)
    assert solver.solve(packing([1, 1, 9, 1], weight=20)) == cp_model.OPTIMAL
    assert [change.name for change in solver.changes] == ["x0", "x2"]
    assert solver.objective_value == 9 - 2 * 2
    assert solver.best_objective_bound == 5


def shop(rng: random.Random, jobs: int = 12) -> tuple[cp_model.CpModel, cp_model.IntVar]:
    """Jobs on eight machines: of twelve, better solutions come for seconds; two are soon done."""
    model = cp_model.CpModel()
    end = model.new_int_var(0, 9999, "end")
    machines: dict[int, list[cp_model.IntervalVar]] = {}
    for job in range(jobs):
        ready: cp_model.LinearExprT = 0
        for machine in random.Random(job).sample(range(8), 8):
            start, duration = model.new_int_var(0, 9999, f"{job} on {machine}"), rng.randint(30, 60)
            machines.setdefault(machine, []).append(model.new_fixed_size_interval_var(start, duration, ""))
            model.add(start >= ready)
            ready = start + duration
        model.add(end >= ready)
    for intervals in machines.values():
        model.add_no_overlap(intervals)
    model.minimize(end)
    return model, end


@pytest.mark.parametrize("jobs", [3, 2, 4], ids=["other durations", "a job fewer", "a new job"])
def test_a_past_schedule_begins_by_its_order_of_tasks(
    jobs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "plans.db"
    with_history(path).solve(shop(random.Random(1), 3)[0])
    changed, end = shop(random.Random(2), jobs)
    best = plain_solver()
    best.solve(changed)
    silence(monkeypatch)
    monkeypatch.setattr("nnsearch.cpsat.past.find_start", _unused)
    solver = with_history(path)
    shown: list[float] = []

    class Watch(cp_model.CpSolverSolutionCallback):  # type: ignore[misc]
        def on_solution_callback(self) -> None:
            shown.append(self.objective_value)
            assert self.value(end) == self.objective_value
            assert self.best_objective_bound <= best.objective_value, "not that of a schedule with fixed starts"

    assert solver.solve(changed, Watch()) == cp_model.OPTIMAL
    assert SilentRun.begun == 1, "the search of windows has the proof"
    assert solver.best_objective_bound == best.objective_value
    assert solver.objective_value == best.objective_value == shown[-1]
    assert all(after < before for before, after in itertools.pairwise(shown))
    assert solver.race is not None
    assert solver.race.contribution in ("start", "solution")
    assert "solve 1 of the history" in solver.race.why
    assert solver.race.error is None


@pytest.mark.parametrize(("near", "trial"), [(False, 0.0), (True, 0.3)])
def test_cp_sat_goes_on_beside_a_past_schedule_that_is_hardly_better(
    near: bool, trial: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be about to prove what history had at once."""
    path = tmp_path / "plans.db"
    first = with_history(path)
    with stopped_after_the_first(first, 0.1) as note:
        first.solve(shop(random.Random(1))[0], Reading(shop(random.Random(1))[0], note))
    began: list[CpSatRun] = []

    class Noted(CpSatRun):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            began.append(self)
            if len(began) == 2:
                solver.stop_search()
            super().__init__(*arguments, **options)

    monkeypatch.setattr(track, "CpSatRun", Noted)
    monkeypatch.setattr("nnsearch.cpsat.racing.standing.Standing.is_ahead", lambda *_: True)
    monkeypatch.setattr("nnsearch.cpsat.racing.standing.Standing.is_near", lambda *_: near)
    solver = CpSolver(None, history=path, options=RaceOptions(head_start=0, lead_trial=trial, start_share=0))
    solver.parameters.num_workers = 2
    changed, end = shop(random.Random(2))
    with stopped_after_the_first(solver, 1.0 if near else PATIENCE) as note:
        solver.solve(changed, Reading(changed, note))
    assert solver.race is not None
    assert solver.value(end) == solver.objective_value
    assert (len(began) == 1) == near


@pytest.mark.parametrize(
    ("surpassed", "late", "workers", "trials"),
    [(False, False, 2, 2), (False, True, 2, 2), (True, False, 2, 2), (False, False, 1, 2), (True, False, 1, 1)],
)
def test_a_search_goes_on_beside_cp_sat_that_is_tried_again(
    surpassed: bool, late: bool, workers: int, trials: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CP-SAT leaves it one of several workers, and goes on with all of them once the search has ended by itself.

    What CP-SAT has found by then is not lost, though the search no longer follows it.
    """
    path = tmp_path / "plans.db"
    with_history(path).solve(shop(random.Random(1), 3)[0])
    runs: list[LostHint] = []
    its, cp_sats = set[tuple[bool, int]](), list[int]()
    asked, asked_by_the_end = itertools.count(1), list[int]()

    class Noted(LostHint):
        def __init__(self, model: cp_model.CpModel, parameters: cmh.SatParameters, **options: object) -> None:
            super().__init__(model, parameters, **options)
            cp_sats.append(parameters.num_workers)
            runs.append(self)
            if len(runs) == 3:
                solver.stop_search()

        def response(self) -> cmh.CpSolverResponse:
            return best if late and runs.index(self) == 1 else super().response()

    def is_ahead(*_: object) -> bool:
        if len(runs) == 2 and not asked_by_the_end and next(asked) == 2:
            ended.set()
        return len(runs) < 2

    def steps(self: ScheduleSearch, over: Callable[[], bool]) -> Iterator[Any]:
        while not over() and not ended.is_set():
            its.add((runs[-1].done.is_set(), self._workers()))
            time.sleep(0.001)
        asked_by_the_end.append(next(asked) - 1)
        if workers == 1:  # CP-SAT has it already, and goes on
            solver.stop_search()
        return iter(())

    ended = threading.Event()
    silence(monkeypatch, Noted)
    monkeypatch.setattr("nnsearch.cpsat.racing.standing.Standing.is_ahead", is_ahead)
    monkeypatch.setattr("nnsearch.cpsat.racing.standing.Standing.is_surpassed", lambda *_: surpassed)
    monkeypatch.setattr(ScheduleSearch, "steps", steps)
    monkeypatch.setattr("nnsearch.cpsat.racing.standing.Standing.has_solution", lambda *_: True)
    solver = CpSolver(None, history=path, options=RaceOptions(head_start=0, lead_trial=0.01, start_share=0))
    solver.parameters.num_workers = workers
    changed, end = shop(random.Random(2), 3)
    plain = plain_solver()
    assert plain.solve(changed) == cp_model.OPTIMAL
    best = plain.response_proto
    best.status, best.best_objective_bound = cp_model.FEASIBLE, 0
    best.objective_value -= 1  # the search has the optimum
    with bounded():
        solver.solve(changed)
    assert solver.objective_value == solver.value(end) - late
    assert solver.race is not None
    assert (solver.objective_value == best.objective_value) == (solver.race.winner == "cp-sat") == late
    assert asked_by_the_end == [trials]
    assert its == {(False, 1), (True, workers)}
    assert cp_sats == ([2, 1, 2] if workers == 2 else [1, 1])


def test_where_a_scorer_leads_a_failure_of_the_past_is_a_warning_and_none_of_the_scorer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "plans.db"
    with_history(path).solve(shop(random.Random(1), 3)[0])
    silence(monkeypatch)
    begin, calls = ScheduleSearch.begin_by_targets, itertools.count()

    def fail_once(self: ScheduleSearch, *arguments: Any) -> None:
        if next(calls) == 0:
            raise RuntimeError("the past is broken")
        begin(self, *arguments)

    monkeypatch.setattr(ScheduleSearch, "begin_by_targets", fail_once)
    solver = CpSolver("lp", on_error="raise", history=path, options=RaceOptions(head_start=0, lead_after=0))
    solver.parameters.num_workers = 1
    assert solver.solve(shop(random.Random(2), 3)[0]) == cp_model.OPTIMAL
    assert solver.race is not None
    assert solver.race.error is None
    assert "the past is broken" in caplog.text


def _unused(*arguments: object, **options: object) -> None:
    raise AssertionError("a schedule needs no replay")


def _behind_at_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let CP-SAT be ahead when that is first asked."""
    ahead, calls = Standing.is_ahead, itertools.count()
    monkeypatch.setattr(Standing, "is_ahead", lambda *of: next(calls) > 0 and ahead(*of))


def test_a_search_goes_on_from_a_past_schedule_that_is_worse_than_what_cp_sat_has_by_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It soon does more than CP-SAT, which may have been lucky once."""
    path = tmp_path / "plans.db"
    with_history(path).solve(shop(random.Random(1), 3)[0])
    _behind_at_first(monkeypatch)
    monkeypatch.setattr("nnsearch.cpsat.past.find_start", _unused)
    silence(monkeypatch)
    solver = with_history(path)
    assert solver.solve(shop(random.Random(2), 3)[0]) == cp_model.OPTIMAL
    assert SilentRun.begun == 1, "the search of windows has the proof"
    assert solver.race is not None
    assert solver.race.contribution == "solution"
    assert solver.race.why.startswith("solve 1 of the history led to the solution, objective ")


@pytest.mark.parametrize("new", [False, True])
@pytest.mark.parametrize("maximise", [True, False])
def test_no_start_is_looked_for_where_cp_sat_has_something_better_than_the_past_solution_promises(
    maximise: bool, new: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The past solution counts with today's data, and a new variable at its best, since it may be worth anything."""
    path = tmp_path / "plans.db"
    first = with_history(path)
    first.solve(packing(VALUES, maximise=maximise))
    better = [value + 1 for value in VALUES] + [50] * new
    worth = sum(value for value, taken in zip(better, first.response_proto.solution, strict=False) if taken) + 50 * new
    promised: list[float] = []

    def is_surpassed(_: Standing, reached: float) -> bool:
        promised.append(reached)
        return True

    monkeypatch.setattr(Standing, "is_surpassed", is_surpassed)
    silence(monkeypatch, LostHint)
    solver = with_history(path)
    with bounded():
        assert solver.solve(packing(better, maximise=maximise)) == cp_model.UNKNOWN
    assert set(promised) == {worth if maximise else 100 - worth}
    assert solver.race is not None
    assert "history gave nothing: CP-SAT had a better solution than solve 1 promised" in solver.race.why


def test_the_rules_of_a_leading_scorer_begin_where_a_past_schedule_is_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "plans.db"
    with_history(path).solve(shop(random.Random(1), 3)[0])
    by_rules, begun = ScheduleSearch.begin_by_rules, list[ScheduleSearch]()

    def noted(self: ScheduleSearch, over: Callable[[], bool]) -> None:
        begun.append(self)
        by_rules(self, over)

    monkeypatch.setattr(ScheduleSearch, "begin_by_rules", noted)
    _behind_at_first(monkeypatch)
    silence(monkeypatch)
    solver = CpSolver("lp", on_error="raise", history=path, options=RaceOptions(head_start=0, lead_after=0))
    solver.parameters.num_workers = 1
    assert solver.solve(shop(random.Random(2), 3)[0]) == cp_model.OPTIMAL
    assert len(begun) == 1
    assert solver.race is not None
    assert (solver.race.winner, solver.race.contribution) == ("learned", "solution")


@pytest.mark.parametrize(("scorer", "objective"), [("bp", False), ("lp", True)])
def test_where_the_past_leads_to_nothing_the_learned_search_leaves_cp_sat_its_head_start(
    scorer: str, objective: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, model = tmp_path / "plans.db", packing(VALUES) if objective else rows(8)
    with_history(path).solve(model)
    waits: list[float] = []
    wait, graph = track.Track.wait, PreparedModel.graph

    def noted(self: track.Track, run: CpSatRun, seconds: float = math.inf, enough: Any = None) -> bool:
        waits.append(seconds)
        return wait(self, run, seconds if seconds == math.inf else 0.0, enough)

    def read(self: PreparedModel, **how: Any) -> Any:
        assert max(waits) > PATIENCE, "before anything is read for a scorer"
        return graph(self, **how)

    silence(monkeypatch)
    monkeypatch.setattr(PastOf, "start", lambda *_, **how: None)
    monkeypatch.setattr(track.Track, "wait", noted)
    monkeypatch.setattr(PreparedModel, "graph", read)
    options = RaceOptions(head_start=2 * PATIENCE, lead_after=0)
    solver = CpSolver(scorer, on_error="raise", history=path, options=options)
    solver.parameters.num_workers = 1
    with bounded():
        assert solver.solve(model) == cp_model.OPTIMAL
    assert solver.race is not None
    assert solver.race.winner == "learned"


def priced(prices: list[int], least: int, kind: str) -> cp_model.CpModel:
    """Take some things, at prices, and what is missing costs 10 each: the worth of a plan is in Booleans and a sum."""
    model = cp_model.CpModel()
    x = [model.new_bool_var(f"x{i}") for i in range(len(prices))]
    missing = model.new_int_var(0, 9, "missing")
    model.add(sum(x) + missing >= least)
    cost = sum(price * v for price, v in zip(prices, x, strict=True)) + 10 * missing
    if kind == "floating":
        model.minimize(0.5 * cost + 0.25)
    elif kind == "negated":
        model.maximize(sum(price * v.negated() for price, v in zip(prices, x, strict=True)) - 10 * missing)
    else:
        model.minimize(cost + 7)
    return model


@pytest.mark.parametrize(("kind", "promise"), [("whole", 14 + 7), ("floating", 7.25), ("negated", 5 + 40)])
def test_what_a_past_solution_promises(kind: str, promise: float, tmp_path: Path) -> None:
    """What Booleans cost today, and the best of other variables, which follow from them by today's data."""
    path = tmp_path / "plans.db"
    with_history(path).solve(priced([1, 2, 30, 40], 3, kind))  # the first two, and one is missing
    past = Past(path, None).of(priced([9, 5, 5, 40], 3, kind))
    assert past.promise(lambda: False) is None, "nothing was looked for"
    past.look(lambda: False)
    assert past.promise(lambda: False) == promise
    kept = past.within(few_changes(priced([9, 5, 5, 40], 3, kind), past.near.plan, 1, None))  # type: ignore[union-attr]
    assert kept.promise(lambda: False) == promise
    assert past.promise(lambda: True) == promise, "it was read before"
    fixed = priced([9, 5, 5, 40], 3, kind)
    fix(fixed.proto.variables[0], 0)
    past = Past(path, None).of(fixed)
    past.look(lambda: False)
    of_the_first = 4.5 if kind == "floating" else 9
    assert past.promise(lambda: False) == promise + (of_the_first if kind == "negated" else -of_the_first)


def test_a_past_of_which_nothing_can_be_said_promises_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "plans.db"
    with_history(path).solve(packing(VALUES))

    def fail(*_: object, **more: object) -> None:
        raise RuntimeError("no model can be read")

    past = Past(path, None).of(packing(VALUES))
    past.look(lambda: False)
    assert past.promise(lambda: False) is not None
    monkeypatch.setattr(PastOf, "prepared", fail)
    assert past.promise(lambda: False) is None
    assert past.why_not == "it failed: RuntimeError('no model can be read')"
    assert with_history(path).solve(packing(VALUES)) == cp_model.OPTIMAL
    assert "no model can be read" in caplog.text


def test_the_callback_reads_one_solution_at_a_time_each_better_than_the_one_before(tmp_path: Path) -> None:
    faults: list[str] = []
    for day in range(6):
        model, end = shop(random.Random(day))
        inside = threading.Lock()
        shown: list[float] = []

        class Watch(cp_model.CpSolverSolutionCallback):  # type: ignore[misc]
            def on_solution_callback(self) -> None:
                if not inside.acquire(blocking=False):  # noqa: B023
                    faults.append("two at once")
                    return
                note()
                shown.append(self.objective_value)  # noqa: B023
                time.sleep(0.002)
                if self.value(end) != self.objective_value:  # noqa: B023
                    faults.append("another's value")
                inside.release()  # noqa: B023

        solver = CpSolver(None, history=tmp_path / "plans.db", options=RaceOptions(head_start=0, trial_seconds=0.1))
        solver.parameters.num_workers = 2
        with stopped_after_the_first(solver, 0.6) as note:
            solver.solve(model, Watch())
        assert all(b < a for a, b in itertools.pairwise(shown))
        assert shown[-1] == solver.objective_value
    assert faults == []


def line_up_of(path: Path, *, helps: bool = True, workers: int = 2) -> None:
    with Store(path) as store:
        store.keep_line_up("shops", LineUp(("no_lp",), workers, helps, "measured"))


@pytest.mark.parametrize("case", ["helps", "does not", "other workers", "own choice", "not asked for", "nothing known"])
def test_a_line_up_is_used_where_it_was_measured_to_help(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "plans.db"
    with_history(path, family="shops").solve(packing(VALUES))
    if case != "nothing known":
        line_up_of(path, helps=case != "does not", workers=3 if case == "other workers" else 2)
    used: list[list[str]] = []

    class Watched(CpSatRun):
        def __init__(self, model: Any, parameters: Any, **options: Any) -> None:
            used.append(list(parameters.subsolvers))
            super().__init__(model, parameters, **options)

    monkeypatch.setattr(track, "CpSatRun", Watched)
    solver = with_history(path, family="shops", line_up=case != "not asked for")
    solver.parameters.num_workers = 2
    own = ["quick_restart"] if case == "own choice" else []
    solver.parameters.subsolvers.extend(own)
    assert solver.solve(packing(VALUES[::-1])) == cp_model.OPTIMAL
    assert used[0] == (["no_lp"] if case == "helps" else own)
    assert list(solver.parameters.subsolvers) == own, "the user's parameters stay"
    assert solver.race is not None
    assert ("line-up no_lp" in solver.race.why) == (case == "helps")


def test_who_brought_the_better_solutions_is_kept(tmp_path: Path) -> None:
    for watched in (False, True):
        path = tmp_path / f"{watched}.db"  # with a past, CP-SAT need not bring any
        solver = with_history(path)
        solver.parameters.num_workers = 2
        model = shop(random.Random(7), jobs=2)[0]
        assert solver.solve(model, Reading(model) if watched else None) == cp_model.OPTIMAL
        assert solver.race is not None
        assert sum(solver.race.improvements.values()) > 0
        assert all(name and "(" not in name for name in solver.race.improvements)
        with Store(path) as store:
            assert store.improvements("")[0] == solver.race.improvements


class Reading(cp_model.CpSolverSolutionCallback):  # type: ignore[misc]
    """Reads all that there is to read."""

    def __init__(self, model: cp_model.CpModel, then: Callable[[], None] | None = None) -> None:
        super().__init__()
        self.read: list[dict[str, Any]] = []
        self._model, self._then = model, then

    def on_solution_callback(self) -> None:
        self.read.append(self.everything())
        if self._then is not None:
            self._then()

    def everything(self) -> dict[str, Any]:
        variables = [self._model.get_int_var_from_proto_index(i) for i in range(len(self._model.proto.variables))]
        first = variables[0]
        count = ["num_booleans", "num_conflicts", "num_branches", "num_integer_propagations", "num_binary_propagations"]
        return {
            "values": [self.value(variable) for variable in variables],
            "by index": [self.SolutionIntegerValue(i) for i in range(len(variables))],
            "opposite": -self.SolutionIntegerValue(~0),
            "literal": (self.SolutionBooleanValue(0), not self.SolutionBooleanValue(~0)),
            "Boolean": (self.boolean_value(first), not self.boolean_value(~first)) if first.is_boolean else (),
            "expressions": (self.value(2 * first + 1), self.float_value(0.5 * first), self.value(7)),
            "solution": list(self.response_proto.solution),
            "objective": self.objective_value,
            "bound": self.best_objective_bound,
            "seconds": (self.wall_time, self.user_time, self.deterministic_time),
            **{name: getattr(self, name) for name in count},
        }


@pytest.mark.parametrize("maximise", [True, False])
@pytest.mark.parametrize("objective", [True, False])
def test_the_callback_hears_of_a_start_while_cp_sat_runs(
    objective: bool, maximise: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "plans.db"
    model = packing(VALUES, maximise=maximise) if objective else rows(8)
    with_history(path).solve(model)
    ended: list[bool] = []

    class Silent(LostHint):
        def __init__(self, *arguments: object, **options: object) -> None:
            super().__init__(*arguments, **options)
            runs.append(self)

    runs: list[Silent] = []
    silence(monkeypatch, Silent)
    options = RaceOptions(head_start=0, trial_seconds=PATIENCE, start_seconds=PATIENCE)
    solver = CpSolver(None, history=path, options=options)
    solver.parameters.num_workers = 1

    def end() -> None:
        ended.append(runs[0].done.is_set())
        solver.stop_search()

    reading = Reading(model, end)
    assert solver.solve(model, reading) == (cp_model.FEASIBLE if objective else cp_model.OPTIMAL)
    assert ended == [not objective]
    (read,) = reading.read
    assert read["values"] == read["by index"] == read["solution"] == list(solver.response_proto.solution)
    assert read["opposite"] == read["values"][0]
    assert {*read["literal"], *read["Boolean"]} == {bool(read["values"][0])}
    assert read["expressions"] == (2 * read["values"][0] + 1, 0.5 * read["values"][0], 7)
    assert not objective or read["objective"] == solver.objective_value != read["bound"]
    assert min(read["seconds"]) >= 0


def test_a_start_that_is_checked_when_the_time_is_over_is_not_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The check has what is left of the time, and a moment at least."""
    path = tmp_path / "plans.db"
    with_history(path).solve(packing(VALUES))
    granted: list[float] = []

    class Slow(cp_model.CpSolver):  # type: ignore[misc]
        def solve(self, *arguments: Any) -> cp_model.CpSolverStatus:
            granted.append(self.parameters.max_time_in_seconds)
            return cp_model.UNKNOWN

    silence(monkeypatch, LostHint)
    monkeypatch.setattr(answers, "plain_solver", Slow)
    solver = with_history(path)
    assert solver.solve(packing(VALUES)) == cp_model.UNKNOWN
    assert 0 < granted[0] < PATIENCE
    assert not caplog.records


def test_what_a_callback_read_last_stays_until_another_solve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "plans.db"
    model, other = packing(VALUES), packing(VALUES[::-1])
    reading = Reading(model)

    def own() -> int:
        return 7

    reading.NumBooleans = own
    before = dict(vars(reading))
    for _ in range(3):
        solver = with_history(path)
        assert solver.solve(model, reading) == cp_model.OPTIMAL
        assert reading.everything()["values"] == list(solver.response_proto.solution)
        assert reading.objective_value == solver.objective_value
    plain = plain_solver()
    assert plain.solve(other, reading) == cp_model.OPTIMAL
    assert reading.objective_value == plain.objective_value
    assert vars(reading) == before
    assert reading.num_booleans == own()


@pytest.mark.parametrize("step", ["look", "start", "record"])
def test_whatever_fails_in_the_past_is_a_warning(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "plans.db"
    with_history(path).solve(packing(VALUES))

    def fail(*arguments: object, **options: object) -> Any:
        raise ZeroDivisionError("out of order")

    where = {
        "look": "nnsearch.cpsat.past.PastOf._reading",
        "start": "nnsearch.cpsat.past.find_start",
        "record": "nnsearch.history.recording.past_solve",
    }
    monkeypatch.setattr(where[step], fail)
    with caplog.at_level(logging.WARNING):
        solver = with_history(path)
        assert solver.solve(packing(VALUES)) == cp_model.OPTIMAL
    if step != "start" or caplog.records:  # CP-SAT may have been faster
        assert "the solve goes on without a history: ZeroDivisionError('out of order')" in caplog.text


@pytest.mark.parametrize("keep", [None, 1])
def test_a_model_that_cp_sat_refuses(keep: int | None, tmp_path: Path) -> None:
    path = tmp_path / "plans.db"
    with_history(path).solve(rows(3))
    model = rows(3)
    model.add(model.get_int_var_from_proto_index(0) <= 2)
    model.proto.constraints[1].linear.vars[0] = 99
    assert with_history(path, keep=keep).solve(model) == cp_model.MODEL_INVALID


def test_a_wish_for_few_changes_leaves_other_questions_alone(tmp_path: Path) -> None:
    path = tmp_path / "plans.db"
    constant = rows(4)
    constant.minimize(7)
    with_history(path).solve(constant)
    wishing = with_history(path, keep=1)
    assert wishing.solve(constant) == cp_model.OPTIMAL
    assert wishing.objective_value == 7, "the same plan again, and the constant"
    wishing.parameters.enumerate_all_solutions = True
    count = 0

    class Count(cp_model.CpSolverSolutionCallback):  # type: ignore[misc]
        def on_solution_callback(self) -> None:
            nonlocal count
            count += 1

    wishing.solve(rows(4), Count())
    assert count == 24
    scaled = packing(VALUES)
    scaled.proto.objective.scaling_factor = -3.0
    with pytest.raises(ConfigError, match="multiple of the objective's factor 3, got 1"):
        with_history(tmp_path / "none yet.db", keep=1).solve(scaled)


def test_a_stop_while_the_past_is_looked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "plans.db"
    with_history(path).solve(rows(8))
    solver = with_history(path, keep=1)

    def look(self: PastOf, stop: Callable[[], bool]) -> None:
        heard.append(stop())
        solver.stop_search()
        heard.append(stop())

    heard: list[bool] = []
    monkeypatch.setattr(PastOf, "look", look)
    monkeypatch.setattr(solver_module, "_never", lambda: True)
    solver.solve(rows(8))
    assert heard[:2] == [False, True]
    assert all(heard[2:]), "the whole solve is stopped"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keep": 2}, "keep: expected a history, too, got none; pass history=PATH"),
        ({"line_up": True}, "line_up: expected a history, too, got none; pass history=PATH"),
        ({"history": "plans.db", "keep": 0}, "keep: expected a whole number from 1 to 1000000000, got 0"),
        ({"history": "plans.db", "keep_only": str}, "keep_only: expected keep, too, got none; pass keep=WEIGHT"),
        ({"history": ""}, "history: expected a path or a URL of a store, got ''"),
        ({"history": 7}, "history: expected a path or a URL of a store, got 7"),
        ({"history": "plans.db", "family": ""}, "family: expected a text, got ''"),
        ({"family": "shops"}, "family: expected a history, too, got none; pass history=PATH"),
    ],
)
def test_options_are_checked(
    options: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=f"^{message}$"):
        CpSolver(**options)


@pytest.mark.parametrize("scorer", [None, "lp"])
@pytest.mark.parametrize("family", ["knapsack", "job-shops"])
def test_every_solve_of_a_race_keeps_to_the_limit_of_memory(
    family: str, scorer: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (FAMILIES[family].build(Scale.TINY, Part.TEST, seed, 0).model for seed in range(2))
    with_history(tmp_path / "plans.db").solve(first)
    limits: list[int] = []
    solve = cp_model.CpSolver.solve

    def noted(self: cp_model.CpSolver, *arguments: Any, **more: Any) -> Any:
        limits.append(self.parameters.max_memory_in_mb)
        return solve(self, *arguments, **more)

    monkeypatch.setattr(cp_model.CpSolver, "solve", noted)
    silence(monkeypatch)
    solver = with_history(tmp_path / "plans.db", scorer, on_error="raise")
    solver.parameters.max_memory_in_mb = 12345
    assert solver.solve(second) == cp_model.OPTIMAL
    assert len(limits) > 1
    assert set(limits) == {12345}
