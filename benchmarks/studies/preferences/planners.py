"""Planners whose preferences are known here, and to nobody else: a model, its data, and what solutions are worth."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
from ortools.sat.python import cp_model

from benchmarks.studies.preferences.pair_terms import PairTerm, maximise_pairs
from nnsearch.cpsat import prefer
from nnsearch.errors import NNSearchError
from nnsearch.model.graph import BoolArray, CandidateGraph
from nnsearch.model.variables import all_variables
from nnsearch.scorers.scorer import Advice, Scorer
from training.data.user_model import one_worker
from training.examples import rostering

Worths = Mapping[str, npt.NDArray[np.float64]]
"""Name of a variable -> what each of its values is worth, from 0 on."""

Data = Sequence[tuple[int, int]]
"""What an instance grants: (worker, day) pairs."""


class Planner(ABC):
    """The planner of a family of instances. To be subclassed.

    Args:
        seed: of the preferences.
    """

    name: str

    def __init__(self, seed: int) -> None:
        self.seed = seed

    @abstractmethod
    def build(self, data: Data = ()) -> cp_model.CpModel:
        """Return the model of an instance, without anything that the planner likes; of no data, that of all."""

    @abstractmethod
    def draw(self, rng: np.random.Generator) -> Data:
        """Return the data of an instance."""

    @abstractmethod
    def worths(self, data: Data) -> Worths:
        """Return what single values are worth to the planner."""

    @property
    def pairs(self) -> Sequence[PairTerm]:
        """What pairs of values are worth to the planner."""
        return ()

    def plan(self, data: Data, mood: float, rng: np.random.Generator) -> list[int]:
        """Return the best solution to the planner, whose mood is noise on each worth (its standard deviation)."""
        return best_solution(
            self.build(data),
            {name: worth + mood * rng.normal(size=len(worth)) for name, worth in self.worths(data).items()},
            [
                PairTerm(
                    *(term.first, term.second, term.first_values, term.second_values),
                    term.worth + mood * rng.normal(size=term.worth.shape),
                )
                for term in self.pairs
            ],
        )

    def worth(self, data: Data, solution: Sequence[int]) -> float:
        """Return what a solution is worth to the planner, without mood."""
        values = dict(zip((variable.name for variable in all_variables(self.build(data))), solution, strict=False))
        alone = sum(float(worth[values[name]]) for name, worth in self.worths(data).items())
        return alone + sum(term.of(values[term.first], values[term.second]) for term in self.pairs)


class Roster(Planner):
    """The example of :mod:`training.examples.rostering`: who likes which shift, on which day of the week."""

    name = "roster"

    def build(self, data: Data = ()) -> cp_model.CpModel:
        """Return two weeks of nine nurses."""
        return rostering.build(data)[0]

    def draw(self, rng: np.random.Generator) -> Data:
        """Return days off."""
        return rostering.random_days_off(rng)

    def worths(self, data: Data) -> Worths:
        """Return what the planner of the example likes."""
        liked = np.tile(rostering.hidden_preferences(self.seed), (1, 2, 1)).ravel()
        names = (variable.name for variable in rostering.build()[1].values())
        return {name: np.array([0.0, worth]) for name, worth in zip(names, liked, strict=True)}


WORKERS = 12


def _crew(name: str, posts: Sequence[str], data: Data) -> cp_model.CpModel:
    """Return a day: workers on posts, one on each, none who is away; some workers are left over."""
    model = cp_model.CpModel()
    model.name = name
    away = [model.new_bool_var(f"away{worker}") for worker in range(WORKERS)]
    posted = [model.new_int_var(0, WORKERS - 1, post) for post in posts]
    model.add_all_different(posted)
    for worker, is_away in enumerate(away):
        for post in posted:
            model.add(post != worker).only_enforce_if(is_away)
    if data:
        gone = {worker for worker, _ in data}
        for worker, is_away in enumerate(away):
            model.add(is_away == int(worker in gone))
    return model


class Deputies(Planner):
    """Who stands in for whom: what a worker is worth at a station depends on who is away.

    What each absence changes adds up to nothing over all absences, so that no worker is the better one at a station
    in general.
    """

    name = "deputies"
    stations = tuple(f"station{s}" for s in range(7))

    def build(self, data: Data = ()) -> cp_model.CpModel:
        """Return a day of seven stations."""
        return _crew(self.name, self.stations, data)

    def draw(self, rng: np.random.Generator) -> Data:
        """Return four workers who are away."""
        return [(int(worker), 0) for worker in rng.choice(WORKERS, 4, replace=False)]

    @cached_property
    def _changes(self) -> npt.NDArray[np.float64]:
        """float64[away, station, worker]."""
        changes = np.random.default_rng([self.seed, 5]).normal(0, 2, (WORKERS, len(self.stations), WORKERS))
        return np.asarray(changes - changes.mean(axis=0))

    def worths(self, data: Data) -> Worths:
        """Return the sum of what the absences change."""
        changes = self._changes[[worker for worker, _ in data]].sum(axis=0)
        return dict(zip(self.stations, changes, strict=True))


class Crews(Planner):
    """Who works with whom: a driver and a helper are worth what they are together, and like some tours better."""

    name = "crews"
    tours = 4

    def build(self, data: Data = ()) -> cp_model.CpModel:
        """Return a day of four tours."""
        return _crew(self.name, [f"{role}{t}" for role in ("driver", "helper") for t in range(self.tours)], data)

    def draw(self, rng: np.random.Generator) -> Data:
        """Return three workers who are away."""
        return [(int(worker), 0) for worker in rng.choice(WORKERS, 3, replace=False)]

    def worths(self, data: Data) -> Worths:
        """Return who likes which tour."""
        liked = np.random.default_rng([self.seed, 6]).normal(size=(self.tours, WORKERS))
        return {f"{role}{t}": liked[t] for role in ("driver", "helper") for t in range(self.tours)}

    @cached_property
    def pairs(self) -> Sequence[PairTerm]:
        """Who likes whom, on all tours."""
        liked = np.random.default_rng([self.seed, 7]).normal(0, 2, (WORKERS, WORKERS))
        workers = np.arange(WORKERS)
        return [PairTerm(f"driver{t}", f"helper{t}", workers, workers, liked) for t in range(self.tours)]


CASES: dict[str, type[Planner]] = {case.name: case for case in (Roster, Deputies, Crews)}


class Told:
    """A scorer that was told what values are worth."""

    name = "told"

    def __init__(self, worths: Worths) -> None:
        self._worths = worths

    def prepare(self, graph: CandidateGraph, variables: Sequence[int] | None = None) -> PreparedTold:
        """Find the candidates by the names of their variables."""
        scores = np.full(graph.num_candidates, -np.inf, dtype=np.float32)
        for place, (variable, value) in enumerate(zip(graph.variable.tolist(), graph.values.tolist(), strict=True)):
            worth = self._worths.get(graph.names[variable])
            if worth is not None and value < len(worth):
                scores[place] = worth[value]
        return PreparedTold(scores)


class PreparedTold:
    """What values of one model are worth, float32[N]."""

    def __init__(self, scores: npt.NDArray[np.float32]) -> None:
        self._scores = scores

    def advise(self, alive: BoolArray) -> Advice:
        """Return it for all states."""
        return Advice(np.tile(self._scores, (len(alive), 1)))


def best_solution(model: cp_model.CpModel, worths: Worths, pairs: Sequence[PairTerm] = ()) -> list[int]:
    """Return the solution of a model whose values and pairs are worth the most; the model is changed.

    Raises:
        NNSearchError: none was found in a minute.
    """
    solution = preferred(model, Told(worths), pairs, 60.0)
    if solution is None:
        raise NNSearchError(f"{model.name}: expected a solution within 60 s, got none")
    return solution


def preferred(
    model: cp_model.CpModel, scorer: str | Path | Scorer, pairs: Sequence[PairTerm], seconds: float
) -> list[int] | None:
    """Return the best solution that CP-SAT finds with one worker, None without one; the model is changed."""
    variables = all_variables(model)
    if pairs:
        maximise_pairs(model, variables, pairs)
    prefer(model, variables, scorer)
    return solved_by(one_worker(seconds), model, len(variables))


def solved_by(solver: cp_model.CpSolver, model: cp_model.CpModel, count: int) -> list[int] | None:
    """Return the values of the first variables in a solver's solution, None without one."""
    if solver.solve(model) not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return None
    return list(solver.response_proto.solution)[:count]
