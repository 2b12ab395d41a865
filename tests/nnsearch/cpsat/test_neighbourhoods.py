"""Large neighbourhoods that a scorer leads: only solutions, better and better, whatever the scorer thinks."""

from __future__ import annotations

import itertools
import math
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ortools.sat.python import cp_model
from silent_runs import Awaited, LostHint, SilentRun, silence
from stand_ins import PATIENCE, models_read
from stopping import bounded, stopped_after_the_first

from benchmarks.instances.families import FAMILIES, Part, Scale
from nnsearch.cpsat import CpSolver
from nnsearch.cpsat.guess import Guess
from nnsearch.cpsat.hinted import hinted
from nnsearch.cpsat.incumbent import Listener
from nnsearch.cpsat.neighbourhoods import Neighbourhoods, NeighbourhoodSearch, Step
from nnsearch.cpsat.racing import track
from nnsearch.cpsat.racing.callbacks import Callbacks
from nnsearch.cpsat.racing.options import RaceOptions
from nnsearch.cpsat.racing.sides import lead, trials
from nnsearch.cpsat.racing.standing import Standing
from nnsearch.cpsat.regions import Regions
from nnsearch.cpsat.run import CpSatRun
from nnsearch.cpsat.starts.local_search import local_search
from nnsearch.errors import ConfigError, NothingToReadError, ScoreError
from nnsearch.limits import STOP
from nnsearch.model.graph import BoolArray, CandidateGraph
from nnsearch.model.objective import read_objective
from nnsearch.model.prepared import PreparedModel
from nnsearch.plain_solver import plain_solver
from nnsearch.scorers.lp import LpScorer
from nnsearch.scorers.scorer import Advice

SOLVED = (cp_model.OPTIMAL, cp_model.FEASIBLE)


def covering(seed: int, sets: int = 14, things: int = 12, maximise: bool = False) -> cp_model.CpModel:
    """The cheapest sets that cover everything, with an integer that counts them."""
    rng = random.Random(seed)
    model = cp_model.CpModel()
    taken = [model.new_bool_var(f"t{j}") for j in range(sets)]
    count = model.new_int_var(0, sets, "count")
    model.add(sum(taken) == count)
    for _ in range(things):
        model.add_bool_or(rng.sample(taken, 3))
    cost = sum(rng.randint(1, 20) * one for one in taken) + count
    if maximise:
        model.maximize(-cost)
    else:
        model.minimize(cost)
    return model


class Oracle:
    """Thinks that a good solution has these values; the first ones for sure."""

    name = "oracle"
    purpose = "objective"

    def __init__(self, values: Sequence[int], confidence: bool = True) -> None:
        self.values, self.confidence = values, confidence

    def prepare(self, graph: CandidateGraph, variables: Sequence[int] | None = None) -> Oracle:
        """Take note of the model."""
        self.graph = graph
        return self

    def advise(self, alive: BoolArray) -> Advice:
        """Say so."""
        scores = (self.graph.values == np.array(self.values)[self.graph.variable]).astype(np.float32)
        sure = -np.arange(self.graph.num_variables, dtype=np.float32)
        return Advice(
            np.tile(scores, (len(alive), 1)), None, np.tile(sure, (len(alive), 1)) if self.confidence else None
        )


class Hopeful(Oracle):
    """Knows a bound as well."""

    def __init__(self, values: Sequence[int], bound: Sequence[float]) -> None:
        super().__init__(values)
        self.bound = bound

    def advise(self, alive: BoolArray) -> Advice:
        """Say so."""
        return super().advise(alive)._replace(bound=np.array(self.bound))


def best_of(model: cp_model.CpModel) -> tuple[float, list[int]]:
    solver = plain_solver()
    solver.parameters.num_workers = 1
    assert solver.solve(model) == cp_model.OPTIMAL
    return solver.objective_value, list(solver.response_proto.solution)


def searched(
    model: cp_model.CpModel, guess: Guess, how: Neighbourhoods, stop: int = 99
) -> list[tuple[Step, list[int] | None]]:
    """Return the steps of a search, ``stop`` at most, with the best solution after each."""
    parameters = plain_solver().parameters
    parameters.num_workers = 1
    objective = read_objective(model.proto)
    assert objective is not None
    told: list[float] = []

    def tell(response: Any) -> bool:
        told.append(response.objective_value)
        return False

    search = NeighbourhoodSearch(PreparedModel(model), objective, guess, how, parameters, on_solution=tell)
    steps = []
    for step in itertools.islice(search.steps(lambda: False), stop):
        steps.append((step, search.best))
        assert search.best is not None or not step.better
        if search.best is not None:
            assert search.reached == told[-1] == objective.value_of(search.best)
            assert is_solution(model, search.best)
    assert all(objective.better(after, before) for before, after in itertools.pairwise(told))
    return steps


def is_solution(model: cp_model.CpModel, values: Sequence[int]) -> bool:
    fixed = model.clone()
    for index, value in enumerate(values):
        fixed.add(fixed.get_int_var_from_proto_index(index) == value)
    return plain_solver().solve(fixed) in SOLVED


def beside_a_solution(how: Neighbourhoods) -> NeighbourhoodSearch:
    """Return a search whose guess is that nothing is covered, and which knows the best solution."""
    model = covering(3)
    objective = read_objective(model.proto)
    assert objective is not None
    guess = everything(model, [0] * 15)
    search = NeighbourhoodSearch(PreparedModel(model), objective, guess, how, plain_solver().parameters)
    plain = plain_solver()
    plain.solve(model)
    search.note(plain.response_proto)
    return search


def everything(model: cp_model.CpModel, values: Sequence[int], confidence: bool = True) -> Guess:
    graph = CandidateGraph.from_model(model)
    return Guess.of(Oracle(values, confidence).prepare(graph).advise(np.ones((1, graph.num_candidates), bool)), graph)


class TestGuess:
    """The surest first, and no opinion where there is none."""

    def test_the_order_is_that_of_the_confidence(self) -> None:
        guess = everything(covering(0), [1] * 15)
        assert guess.variables.tolist() == list(range(15))
        assert guess.values.tolist() == [1] * 15

    def test_without_confidence_the_gap_to_the_second_best_counts(self) -> None:
        model = cp_model.CpModel()
        model.new_int_var(0, 2, "x")
        model.new_int_var(3, 5, "y")
        graph = CandidateGraph.from_model(model)
        advice = Advice(np.array([[0, 2, 1, 5, 1, 0]], dtype=np.float32))
        guess = Guess.of(advice, graph)
        assert (guess.variables.tolist(), guess.values.tolist()) == ([1, 0], [3, 1])

    def test_left_out_is_what_is_fixed_what_has_no_scores_and_what_has_the_same(self) -> None:
        model = cp_model.CpModel()
        for name, (low, high) in {"fixed": (2, 2), "silent": (0, 1), "alike": (0, 1), "told": (0, 1)}.items():
            model.new_int_var(low, high, name)
        graph = CandidateGraph.from_model(model)
        scores = np.array([[1, -np.inf, -np.inf, 3, 3, -np.inf, 2]], dtype=np.float32)
        assert Guess.of(Advice(scores), graph).variables.tolist() == [3]
        with pytest.raises(NothingToReadError, match="expected an opinion on the value of at least one variable"):
            Guess.of(Advice(scores[:, :5]), CandidateGraph.from_all_different([[2], [0, 1], [0, 1]], []))


class TestNeighbourhoods:
    """Whatever the guess, the search is one for solutions."""

    @pytest.mark.parametrize("seed", range(6))
    @pytest.mark.parametrize("maximise", [False, True])
    def test_any_guess_leads_to_the_optimum_of_a_small_model(self, seed: int, maximise: bool) -> None:
        model = covering(seed, maximise=maximise)
        rng = random.Random(seed)
        guess = everything(model, [rng.randint(0, 1) for _ in range(15)])
        steps = searched(model, guess, Neighbourhoods(patience=math.inf, fruitless=50))
        step, best = steps[-1]
        assert step.fixed == 0
        objective = read_objective(model.proto)
        assert objective is not None
        assert best is not None
        assert objective.value_of(best) == best_of(model)[0]

    @pytest.mark.parametrize("sign", [-1, 1])
    def test_floating_objectives_are_those_of_the_solutions(self, sign: int) -> None:
        model = cp_model.CpModel()
        amounts = [model.new_int_var(0, 5, f"x{j}") for j in range(4)]
        model.add(sum(amounts) == 9)
        cost = sum(sign * np.pi / (3 + j) * amount for j, amount in enumerate(amounts))
        (model.maximize if sign < 0 else model.minimize)(cost)
        steps = searched(model, everything(model, [3] * 4), Neighbourhoods(fixed=0.5, patience=math.inf))
        assert steps[-1][1] is not None

    def test_who_is_told_ends_the_search_with_that_solution(self) -> None:
        model = hard_covering()
        objective = read_objective(model.proto)
        told: list[list[int]] = []
        times: list[float] = []
        assert objective is not None

        def tell(response: Any) -> bool:
            told.append(list(response.solution))
            times.append(time.perf_counter())
            return len(told) == 3

        how, parameters = Neighbourhoods(fixed=0.01, patience=math.inf), plain_solver().parameters
        parameters.num_workers = 1
        search = NeighbourhoodSearch(
            PreparedModel(model), objective, everything(model, [1] * 121), how, parameters, on_solution=tell
        )
        for _ in search.steps(lambda: len(told) >= 3):
            pass
        assert len(told) == 3
        assert search.best == told[-1]
        assert times[-2] <= search.found <= times[-1]

    def test_a_good_guess_is_found_at_once(self) -> None:
        model = covering(3)
        step, best = searched(
            model, everything(model, best_of(model)[1]), Neighbourhoods(fixed=1.0, patience=math.inf), 1
        )[0]
        assert (step.fixed, step.status, best) == (15, cp_model.OPTIMAL, best_of(model)[1])

    def test_a_guess_without_a_solution_is_mended(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is taken back all the same, until what is left of it has a solution, too."""
        found = NeighbourhoodSearch._mend

        def first(search: NeighbourhoodSearch, *heard: Any) -> CpSatRun:
            run = found(search, *heard)
            ends = time.perf_counter() + PATIENCE
            while search.answer is None and time.perf_counter() < ends:
                time.sleep(0.001)
            return run

        monkeypatch.setattr(NeighbourhoodSearch, "_mend", first)
        model = covering(3)
        steps = searched(model, everything(model, [0] * 15), Neighbourhoods(fixed=1.0, patience=math.inf), 2)
        assert (steps[0][0].fixed, steps[0][0].status) == (15, cp_model.INFEASIBLE)
        assert steps[0][1] is not None
        assert steps[1][0].fixed < 15

    def test_a_refuted_guess_is_mended_though_there_is_a_solution(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Which says nothing about the guess."""
        mending = SilentRun.alone()
        monkeypatch.setattr(NeighbourhoodSearch, "_mend", lambda *_: mending)
        steps = beside_a_solution(Neighbourhoods(fixed=1.0, widen=0.99)).steps(lambda: False)
        assert [next(steps).status for _ in range(2)] == [cp_model.INFEASIBLE] * 2
        assert not mending.stopped
        del steps
        assert mending.stopped

    def test_a_guess_that_is_refuted_again_and_again_is_left_for_a_solution(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(NeighbourhoodSearch, "_mend", lambda *_: SilentRun.alone())
        steps = beside_a_solution(Neighbourhoods(fixed=1.0, widen=0.999)).steps(lambda: False)
        assert [next(steps).status for _ in range(4)] == [cp_model.INFEASIBLE] * 4
        assert next(steps).status == cp_model.OPTIMAL

    def test_what_brings_nothing_in_its_time_does_not_make_the_next_ones_longer(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        patience = list[float]()

        def solve(self: NeighbourhoodSearch, *_: object) -> Step:
            patience.append(self._patience)
            return Step(1, cp_model.UNKNOWN, len(patience) == 2, 0.0)

        mending = SilentRun.alone()
        monkeypatch.setattr(NeighbourhoodSearch, "_mend", lambda *_: mending)
        monkeypatch.setattr(NeighbourhoodSearch, "_solve", solve)
        steps = beside_a_solution(Neighbourhoods(patience=0.5)).steps(lambda: False)
        list(itertools.islice(steps, 3))
        del steps
        assert patience == [0.5] * 3

    @pytest.mark.parametrize("ahead", [False, True])
    def test_local_search_goes_on_as_long_as_it_is_ahead(self, ahead: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        class Ahead(Listener):
            """As if all that is known came from it."""

            @property
            def reached(self) -> float | None:
                return self._incumbent.reached

            @reached.setter
            def reached(self, _: float | None) -> None:
                pass

        mending = SilentRun.alone()
        monkeypatch.setattr(NeighbourhoodSearch, "_mend", lambda *_: mending)
        monkeypatch.setattr("nnsearch.cpsat.neighbourhoods._ALONE_SECONDS", 0.0)
        if ahead:
            monkeypatch.setattr(NeighbourhoodSearch, "listener", lambda search: Ahead(search))
        model = covering(3)
        objective = read_objective(model.proto)
        assert objective is not None
        search = NeighbourhoodSearch(
            PreparedModel(model),
            objective,
            everything(model, [1] * 15),
            Neighbourhoods(fixed=0.5),
            plain_solver().parameters,
        )
        steps = search.steps(lambda: False)
        next(steps)
        assert search.answer is not None
        assert mending.stopped != ahead
        steps.close()  # type: ignore[attr-defined]
        assert mending.stopped

    def test_a_guess_that_cannot_be_mended_is_taken_back(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Blind(CpSatRun):
            def __init__(self, model: cp_model.CpModel, parameters: Any, **more: Any) -> None:
                if parameters.use_ls_only:
                    parameters.max_deterministic_time = 0.0
                    more["solution_callback"] = None
                super().__init__(model, parameters, **more)

        monkeypatch.setattr("nnsearch.cpsat.neighbourhoods.CpSatRun", Blind)
        model = covering(3)
        steps = searched(model, everything(model, [0] * 15), Neighbourhoods(fixed=1.0, widen=0.5, patience=math.inf), 2)
        assert [(step.fixed, step.better) for step, _ in steps] == [(15, False), (7, True)]
        assert steps[0][0].status == cp_model.INFEASIBLE

    def test_without_any_solution_it_ends(self) -> None:
        model = covering(3)
        model.add(sum(model.get_int_var_from_proto_index(j) for j in range(14)) == 0)
        steps = searched(model, everything(model, [1] * 15), Neighbourhoods(patience=math.inf))
        assert (steps[-1][0].fixed, steps[-1][0].status) == (0, cp_model.INFEASIBLE)

    def test_the_two_kinds_of_neighbourhoods_grow_and_shrink_by_themselves(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The first kind is solved to its end each time, the other one never."""
        model = covering(3)
        turns, fixed, regions = itertools.count(), list[int](), list[set[int]]()
        grow = Regions.grow

        def grown(*arguments: Any) -> Any:
            region = grow(*arguments)
            regions.append(set(np.flatnonzero(region).tolist()))
            return region

        def solved(search: NeighbourhoodSearch, best: Any, variables: Any, values: Any, over: Any) -> Step:
            assert (np.array(best)[variables] == values).all()
            fixed.append(len(variables))
            status = cp_model.UNKNOWN if next(turns) % 2 else cp_model.OPTIMAL
            if status == cp_model.UNKNOWN:
                assert set(variables.tolist()) == set(search._guess.variables.tolist()) - regions[-1]
            return Step(len(variables), status, False, 0.1)

        monkeypatch.setattr(NeighbourhoodSearch, "_solve", solved)
        monkeypatch.setattr(Regions, "grow", grown)
        prepared, how = PreparedModel(model), Neighbourhoods(fixed=0.8, fruitless=6)
        assert prepared.objective is not None
        guess = everything(model, [1] * 15)
        search = NeighbourhoodSearch(prepared, prepared.objective, guess, how, plain_solver().parameters)
        solver = plain_solver()
        assert solver.solve(model) == cp_model.OPTIMAL
        search.adopt(solver.response_proto)
        assert len(list(search.steps(lambda: False))) == 6
        assert fixed[0::2] == [12, 10, 8]
        assert fixed[1::2] == [12, 12, 13]
        assert len(regions) == 3

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({"fixed": 0}, "Neighbourhoods.fixed: expected a share between 0 and 1, got 0"),
            ({"widen": 1}, "Neighbourhoods.widen: expected a share between 0 and 1, got 1"),
            ({"patience": 0}, "Neighbourhoods.patience: expected above 0, got 0"),
            ({"fruitless": 0}, "Neighbourhoods.fruitless: expected 1 or more, got 0"),
        ],
    )
    def test_options_out_of_range_are_refused(self, wrong: dict[str, Any], message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            Neighbourhoods(**wrong)


class Heard(cp_model.CpSolverSolutionCallback):  # type: ignore[misc]
    """Keeps what it is told."""

    def __init__(self, then: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self.objectives: list[float] = []
        self.bounds: list[float] = []
        self.then = then

    def on_solution_callback(self) -> None:
        """Keep it."""
        self.then()
        self.objectives.append(self.objective_value)
        self.bounds.append(self.best_objective_bound)
        assert self.value(self.first) in (0, 1)

    first: Any = None


def hard_covering(sets: int = 120, things: int = 200) -> cp_model.CpModel:
    """One that CP-SAT does not prove in a fraction of a second."""
    return covering(1, sets, things)


def not_annealed(model: cp_model.CpModel) -> cp_model.CpModel:
    """Make it none that annealing reads."""
    model.add_all_different([model.new_int_var(0, 2, "") for _ in range(2)])
    return model


class FoundNothing(SilentRun):
    """CP-SAT that ends without a solution, as by its limit, when the race does nothing but wait for it."""

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__()
        self.done = Awaited()


class TestRace:
    """The drop-in with a scorer that knows objectives."""

    def solver(self, scorer: Any, **options: Any) -> CpSolver:
        how = RaceOptions(lead_after=0.0, lead_trial=0.2, head_start=0.0, start_share=0.0, **options)
        solver = CpSolver(scorer, on_error="raise", options=how)
        solver.parameters.num_workers = 2
        solver.parameters.max_time_in_seconds = 120
        return solver

    def test_solutions_are_told_in_order_and_bounds_are_those_of_the_model(self) -> None:
        model = hard_covering()
        solver = self.solver(Oracle([1] * 121))
        solver.parameters.relative_gap_limit = 0.02
        with stopped_after_the_first(solver, 1.0) as note:
            heard = Heard(note)
            heard.first = model.get_bool_var_from_proto_index(0)
            status = solver.solve(model, heard)
        assert status in SOLVED
        assert heard.objectives
        assert heard.objectives == sorted(set(heard.objectives), reverse=True)
        assert heard.objectives[-1] == solver.objective_value
        assert max(heard.bounds) <= solver.objective_value
        assert solver.race is not None
        assert solver.race.error is None

    def test_the_optimum_is_proved_by_cp_sat_on_the_whole_model(self) -> None:
        for seed in range(4):
            model = covering(seed, 30, 40)
            solver = self.solver(Oracle([seed % 2] * 31))
            assert solver.solve(model) == cp_model.OPTIMAL
            assert solver.objective_value == best_of(model)[0]

    def test_the_optimum_is_proved_by_a_bound_of_cp_sat_that_has_no_solution(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        model = covering(3)
        best, values = best_of(model)

        asked, heard = threading.Event(), []

        class Bounds(CpSatRun):
            def _solve(self, model: cp_model.CpModel, callback: cp_model.CpSolverSolutionCallback | None) -> None:
                self._solver.best_bound_callback(best)
                heard.append(asked.wait(PATIENCE))
                super()._solve(model, callback)

            def stop(self) -> None:
                asked.set()
                super().stop()

        monkeypatch.setattr(track, "CpSatRun", Bounds)
        solver = CpSolver(Oracle(values), on_error="raise", options=RaceOptions(lead_after=0, lead_trial=9 * PATIENCE))
        assert solver.solve(model) == cp_model.OPTIMAL
        assert solver.objective_value == solver.best_objective_bound == best
        assert heard == [True], "CP-SAT was stopped, and not waited for"

    def test_an_infeasible_model(self) -> None:
        model = hard_covering()
        model.add(sum(model.get_int_var_from_proto_index(j) for j in range(120)) <= 2)
        assert self.solver(Oracle([1] * 121)).solve(model) == cp_model.INFEASIBLE

    def test_a_callback_can_stop_it(self) -> None:
        class Stops(cp_model.CpSolverSolutionCallback):  # type: ignore[misc]
            def on_solution_callback(self) -> None:
                self.stop_search()

        solver = self.solver(Oracle([1] * 121))
        solver.parameters.max_time_in_seconds = 60
        assert solver.solve(hard_covering(), Stops()) in SOLVED

    @pytest.mark.parametrize("fails", [False, True])
    def test_a_callback_that_has_stopped_hears_of_no_other_solution(self, fails: bool) -> None:
        class Stops(Heard):
            def on_solution_callback(self) -> None:
                super().on_solution_callback()
                if len(self.objectives) >= 4:
                    self.stop_search()
                    if fails:
                        raise KeyError("it fails")

        model, heard = hard_covering(), Stops()
        heard.first = model.get_bool_var_from_proto_index(0)
        solver = self.solver(Oracle([1] * 121))
        solver.parameters.max_time_in_seconds = 60
        with pytest.raises(KeyError, match="it fails") if fails else nullcontext():
            assert solver.solve(model, heard) in SOLVED
        assert len(heard.objectives) == 4

    def test_ctrl_c_ends_it_with_the_best_answer(self) -> None:
        model = hard_covering(400, 900)  # that nobody proves within the limit of time
        solver = self.solver(Oracle([1] * 401), neighbourhoods=Neighbourhoods(fruitless=10**6))
        pressed: list[float] = []

        class Interrupts(cp_model.CpSolverSolutionCallback):  # type: ignore[misc]
            def on_solution_callback(self) -> None:
                if not pressed:
                    os.kill(os.getpid(), signal.SIGINT)
                pressed.append(self.objective_value)

        with bounded(solver.parameters.max_time_in_seconds):
            assert solver.solve(model, Interrupts()) == cp_model.FEASIBLE
        assert solver.objective_value == pressed[-1]

    def test_the_log_is_that_of_a_few_solves_of_the_whole_model(self) -> None:
        model = hard_covering()
        lines: list[str] = []

        def stop_when_seen() -> None:
            if heard.objectives and any("variables fixed, CP-SAT: " in line for line in lines):
                solver.stop_search()

        def take(line: str) -> None:
            lines.append(line)
            stop_when_seen()

        heard = Heard(stop_when_seen)
        heard.first = model.get_bool_var_from_proto_index(0)
        solver = self.solver(Oracle([1] * 121))
        solver.parameters.log_search_progress, solver.parameters.log_to_stdout = True, False
        solver.log_callback = take
        assert solver.solve(model, heard) in SOLVED
        assert 1 <= sum(line.startswith("Starting CP-SAT") for line in lines) <= 2
        assert any("variables fixed, CP-SAT: " in line for line in lines)

    def test_a_wrong_confidence_is_the_scorers_fault(self) -> None:
        class Wrong(Oracle):
            def advise(self, alive: BoolArray) -> Advice:
                return super().advise(alive)._replace(confidence=np.zeros((1, 3), dtype=np.float32))

        with pytest.raises(ScoreError, match=r"oracle: expected confidence of shape \(1, 121\), got \(1, 3\)"):
            self.solver(Wrong([1] * 121)).solve(hard_covering())

    @pytest.mark.parametrize(("surpassed", "trials"), [(False, 3), (True, 2)])
    def test_a_search_goes_on_unless_cp_sat_that_is_tried_again_is_better(
        self, surpassed: bool, trials: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        model = covering(3)
        plain = plain_solver()
        plain.solve(model)
        runs = list[LostHint]()

        class Noted(LostHint):
            def __init__(self, *arguments: object, **options: object) -> None:
                super().__init__(*arguments, **options)
                runs.append(self)

        def steps(self: NeighbourhoodSearch, over: Callable[[], bool]) -> Iterator[Step]:
            self.note(plain.response_proto)
            while not over() and len(runs) < 3:
                time.sleep(0.001)
            asked.append(len(runs))
            solver.stop_search()
            return iter(())

        asked = list[int]()
        silence(monkeypatch, Noted)
        monkeypatch.setattr("nnsearch.cpsat.racing.standing.Standing.is_ahead", lambda *_: len(runs) < 2)
        monkeypatch.setattr("nnsearch.cpsat.racing.standing.Standing.is_surpassed", lambda *_: surpassed)
        monkeypatch.setattr("nnsearch.cpsat.racing.standing.Standing.has_solution", lambda *_: True)
        monkeypatch.setattr(NeighbourhoodSearch, "steps", steps)
        how = RaceOptions(head_start=0, lead_after=0, lead_trial=0.01, start_share=0)
        solver = CpSolver(Oracle([1] * 15), on_error="raise", options=how)
        with bounded():
            solver.solve(model)
        assert asked == [trials]

    def test_a_wrong_bound_is_the_scorers_fault(self) -> None:
        with pytest.raises(ScoreError, match=r"oracle: expected bound of shape \(1,\), got \(2,\)"):
            self.solver(Hopeful([1] * 121, [5.0, 5.0])).solve(hard_covering())

    @pytest.mark.parametrize("maximise", [False, True])
    def test_a_scorer_with_a_much_worse_bound_than_cp_sats_gives_way(
        self, maximise: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        model, sign = covering(3, maximise=maximise), -1 if maximise else 1
        best, values = best_of(model)
        ended, stopped = threading.Event(), []

        class Late(CpSatRun):
            def _solve(self, model: cp_model.CpModel, callback: cp_model.CpSolverSolutionCallback | None) -> None:
                self._solver.best_bound_callback(best - sign)
                ended.wait(PATIENCE)
                super()._solve(model, callback)

            def stop(self) -> None:
                if not self.done.is_set():
                    stopped.append(self)
                super().stop()

        def steps(self: NeighbourhoodSearch, over: Callable[[], bool]) -> Iterator[Step]:
            yield from whole(self, over)
            ended.set()

        def knows_more(self: Standing, *others: Any) -> bool:
            self._callbacks.incumbent = self._callbacks.incumbent or best + sign
            return knows(self, *others)

        whole, knows = NeighbourhoodSearch.steps, Standing.knows_more
        monkeypatch.setattr(NeighbourhoodSearch, "steps", steps)
        monkeypatch.setattr(Standing, "knows_more", knows_more)
        monkeypatch.setattr(track, "CpSatRun", Late)
        how = RaceOptions(lead_after=0, lead_trial=9 * PATIENCE)
        solver = CpSolver(Hopeful(values, [best - 1000.0 * sign]), on_error="raise", options=how)
        with bounded():
            assert solver.solve(model) == cp_model.OPTIMAL
        assert solver.objective_value == best
        assert not stopped

    def test_a_scorer_without_an_opinion_leaves_it_to_cp_sat(self) -> None:
        class Silent(Oracle):
            def advise(self, alive: BoolArray) -> Advice:
                return Advice(np.full(alive.shape, -np.inf, dtype=np.float32))

        solver = self.solver(Silent([1] * 31))
        assert solver.solve(covering(2, 30, 40)) == cp_model.OPTIMAL
        assert solver.race is not None
        assert solver.race.winner == "cp-sat"

    def test_the_search_begins_with_what_history_has(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "plans.db"
        model = hard_covering()
        first = CpSolver(None, history=path)
        first.parameters.num_workers = 2
        with stopped_after_the_first(first, 0.2) as note:
            heard = Heard(note)
            heard.first = model.get_bool_var_from_proto_index(0)
            assert first.solve(model, heard) in SOLVED
        changed = model.clone()
        changed.add_bool_or([changed.get_bool_var_from_proto_index(j) for j in (3, 5, 7)])
        silence(monkeypatch)
        how = RaceOptions(lead_after=0, lead_trial=0.2, start_share=0.0, start_seconds=PATIENCE)
        solver = CpSolver(Oracle([1] * 121), on_error="raise", history=path, options=how)
        solver.parameters.num_workers = 2
        with stopped_after_the_first(solver, 0.7) as note:
            heard = Heard(note)
            heard.first = changed.get_bool_var_from_proto_index(0)
            assert solver.solve(changed, heard) in SOLVED
        assert heard.objectives[-1] == solver.objective_value
        assert is_solution(changed, list(solver.response_proto.solution))
        assert solver.race is not None
        assert solver.race.contribution in ("start", "solution"), solver.race

    @pytest.mark.parametrize(("again", "runs"), [(math.inf, 1), (trials._AGAIN, 2)])
    def test_cp_sat_that_has_no_solution_yet_begins_again_only_where_there_is_time(
        self, again: float, runs: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It may presolve for long, and would do so once more."""
        monkeypatch.setattr(trials, "_AGAIN", again)
        model = hard_covering()
        solver = self.solver(Oracle([1] * 121), neighbourhoods=Neighbourhoods(patience=0.1, fruitless=1))

        def begin(*arguments: Any, **options: Any) -> CpSatRun:
            run = FoundNothing(*arguments, **options)
            if SilentRun.begun == 2:
                solver.stop_search()  # or it may begin a third time, on a slow machine
            return run

        silence(monkeypatch, begin)
        with bounded(), stopped_after_the_first(solver, 4.0) as note:
            heard = Heard(note)
            heard.first = model.get_bool_var_from_proto_index(0)
            assert solver.solve(model, heard) in SOLVED
        assert SilentRun.begun == runs
        assert is_solution(model, list(solver.response_proto.solution))
        assert solver.race is not None
        assert solver.race.contribution in ("start", "solution")

    def test_a_scorer_that_takes_long_to_say_how_to_lead_is_stopped_well_before_the_end(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(lead, "_ASKED_SHARE", 0.0)  # so the trial's .2 of 120 s
        told: list[str] = []

        class Endless(Oracle):
            def prepare(self, graph: CandidateGraph, variables: Sequence[int] | None = None) -> Oracle:
                stop = STOP.get()
                assert stop is not None
                while not stop():
                    time.sleep(0.01)
                told.append("stopped")
                raise NothingToReadError("not in time")

        silence(monkeypatch, FoundNothing)
        with bounded():
            self.solver(Endless([])).solve(not_annealed(hard_covering()))
        assert told == ["stopped"]

    @pytest.mark.parametrize("past", [False, True])
    def test_with_a_history_the_model_is_read_once(
        self, past: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        model, path = covering(3), tmp_path / "plans.db"
        if past:
            CpSolver(None, history=path).solve(model)
        read = models_read(monkeypatch)
        monkeypatch.setattr(track, "CpSatRun", LostHint)  # an answer would end the reading
        how = RaceOptions(lead_after=0, head_start=0, start_seconds=PATIENCE)
        solver = CpSolver(Oracle([1] * 15), on_error="raise", history=path, options=how)
        assert solver.solve(model) in SOLVED
        assert solver.race is not None
        assert solver.race.winner in ("learned", "history")
        assert read == [model]


def test_a_guess_of_a_large_model_is_mended() -> None:
    """One batch has to reach a solution, and a guess may violate much; the work is the same on every machine."""
    model = FAMILIES["automaton-rosters"].build(Scale.X4, Part.TRAINING, 0, 0).model
    graph = PreparedModel(model).graph()
    guess = Guess.of(LpScorer().prepare(graph).advise(np.ones((1, graph.num_candidates), dtype=np.bool_)), graph)
    solver = plain_solver()
    solver.parameters.copy_from(local_search(None, len(model.proto.variables), far=True))
    solver.parameters.max_deterministic_time = 1.0
    solver.parameters.stop_after_first_solution = True
    assert solver.solve(hinted(model, guess.values.tolist(), guess.variables.tolist())) == cp_model.FEASIBLE


def test_a_search_that_begins_with_all_fixed_is_widened() -> None:
    model = covering(3)
    best, _ = best_of(model)
    steps = searched(model, everything(model, [1] * 14 + [14]), Neighbourhoods(fixed=1.0, fruitless=40))
    objective = read_objective(model.proto)
    assert objective is not None
    assert steps[-1][1] is not None
    assert objective.value_of(steps[-1][1]) == best


@pytest.mark.parametrize("maximise", [False, True])
@pytest.mark.parametrize(
    ("bound", "cp_sats", "known", "reached", "knows_more"),
    [
        (10, 50, 100, None, True),
        (10, 18, 100, None, False),
        (10, 18, 100, 90, True),
        (10, 18, 90, 100, True),
        (10, 5, 100, None, False),
        (10, -math.inf, 100, None, False),
        (math.nan, 50, 100, None, False),
        (91, 99, 100, None, False),
        (100, 50, 100, None, False),
        (101, 50, 100, None, False),
        (10, 50, None, 100, False),
    ],
)
def test_whose_bound_is_better_depends_on_the_gap_that_is_left(
    bound: float, cp_sats: float, known: float | None, reached: float | None, knows_more: bool, maximise: bool
) -> None:
    objective = read_objective(covering(3, maximise=maximise).proto)
    sign = -1 if maximise else 1
    parameters = plain_solver().parameters
    callbacks = Callbacks(objective, parameters, None, None, None)
    callbacks.bound = sign * cp_sats
    callbacks.incumbent = None if known is None else sign * known
    standing = Standing(None, objective, callbacks, parameters)
    assert standing.knows_more(sign * bound, None if reached is None else sign * reached) is knows_more


class Leaderless(Callbacks):
    """Lose whom solutions go to as soon as it was asked who that is: another thread takes it away."""

    @property
    def follow(self) -> Callable[[Any], object] | None:
        """Return it once."""
        follow, self.follow = self.__dict__.get("then"), None
        return follow

    @follow.setter
    def follow(self, then: Callable[[Any], object] | None) -> None:
        self.__dict__["then"] = then


def test_a_leader_that_ends_while_cp_sat_tells_a_solution_harms_nothing() -> None:
    model, told = covering(3), list[Any]()
    solver = plain_solver()
    callbacks = Leaderless(read_objective(model.proto), solver.parameters, None, None, None)
    callbacks.follow = told.append
    assert solver.solve(model, callbacks.solution_callback()) == cp_model.OPTIMAL
    assert len(told) == 1
