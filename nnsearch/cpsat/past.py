"""What a solver remembers from one solve to the next, and what it makes of it."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from ortools.sat.python import cp_model
from ortools.sat.python import cp_model_helper as cmh

from nnsearch.cpsat.starts.annealers import Annealers
from nnsearch.cpsat.starts.start import Start, find_start, improved
from nnsearch.errors import ConfigError, HistoryError
from nnsearch.history.matching import Plan
from nnsearch.model.domains import bounds_of
from nnsearch.model.prepared import PreparedModel
from nnsearch.model.stopping import ReadingStoppedError

if TYPE_CHECKING:
    from nnsearch.history.near_plan import NearPlan
    from nnsearch.history.nearness import Hashes
    from nnsearch.history.store import Store

_LOGGER = logging.getLogger("nnsearch")


class Change(NamedTuple):
    """What differs between a past solution and the present one."""

    name: str
    before: int
    now: int


class Past:
    """The past solves of a solver's models.

    A store that cannot be used is one line of warning; then there is no past.

    Args:
        location: path of a SQLite file, which is created, or URL of a database.
        family: what the models are called; None takes each model's name, the whole store where it has none, and the
            models that are much like it where nothing of that name is near.

    Raises:
        ConfigError: the location is no path or text, or the family is no text.
    """

    def __init__(self, location: str | Path, family: str | None) -> None:
        if not isinstance(location, (str, os.PathLike)) or not str(location):
            raise ConfigError(f"history: expected a path or a URL of a store, got {location!r}")
        if family is not None and (not isinstance(family, str) or not family):
            raise ConfigError(f"family: expected a text, got {family!r}")
        self._family = family
        self._store: Store | None = None
        # It takes a fifth of a second to import a database's library, so only who wants a history pays.
        from nnsearch.history.store import Store as Opened

        try:
            self._store = Opened(location)
        except HistoryError as error:
            self._warn(error)

    def of(self, model: cp_model.CpModel) -> PastOf:
        """Return the past of a model that is to be solved."""
        return PastOf(self._store, self._family, model, self._warn)

    def _warn(self, error: Exception) -> None:
        unexpected = not isinstance(error, HistoryError)
        text = repr(error) if unexpected else str(error)
        _LOGGER.warning("the solve goes on without a history: %s", text, exc_info=error if unexpected else None)


class PastOf:
    """The past of one model; see :meth:`Past.of`.

    Whatever goes wrong in it is a line of warning, and not the end of the solve: CP-SAT has an answer without it.
    """

    def __init__(
        self, store: Store | None, family: str | None, model: cp_model.CpModel, warn: Callable[[Exception], None]
    ) -> None:
        self.near: NearPlan | None = None
        """The nearest past solution, once :meth:`look` was called."""
        self.why_not = "the store cannot be used" if store is None else "nothing was looked for"
        """Why there is no near solution, or no start."""
        self.keeps = False
        """Whether the model has a price for changes against the past."""
        self._store, self._given, self._model, self._warn = store, family, model, warn
        self._family = family or model.name or None
        self._prepared: PreparedModel | None = None
        self._annealers: Annealers | None = None
        self._has_looked = self._is_asked = False
        self._read: tuple[Hashes, tuple[str, ...]] | None = None

    def prepared(self, stop: Callable[[], bool] | None) -> PreparedModel:
        """Return the model as it was read, once for everybody.

        Args:
            stop: asked often; true gives up.

        Raises:
            ReadingStoppedError: it did.
        """
        if self._prepared is None:
            self._prepared = PreparedModel(self._model, stop=stop)
        return self._prepared

    def look(self, stop: Callable[[], bool]) -> None:
        """Look for the nearest past solution.

        Args:
            stop: asked often; true gives up.
        """
        if self._store is None or self._has_looked:
            return
        from nnsearch.history.near_plan import near_plan

        self.why_not = "the model was not read by then"
        try:
            sketch, names = self._reading(stop)
            self.near = near_plan(self._store, self._family, names, sketch)
            if self.near is None and self._family is not None and self._given is None:
                # The name may be that of one instance, or of one day.
                self.near = near_plan(self._store, None, names, sketch, alike=True)
            self._has_looked = True
        except ReadingStoppedError:
            return
        except Exception as error:
            self.fail(error)
            return
        self.why_not = "" if self.near is not None else "nothing is near"

    def line_up(self, workers: int) -> tuple[str, ...]:
        """Return the subsolvers that were measured to be better than CP-SAT's own choice of so many; empty is none."""
        try:
            found = None if self._store is None else self._store.line_up(self._family or "", workers)
        except Exception as error:
            self.fail(error)
            return ()
        return found.subsolvers if found is not None and found.helps else ()

    def promise(self, stop: Callable[[], bool]) -> float | None:
        """Return the objective that the Booleans of the nearest past solution leave, feasible or not.

        A Boolean that is fixed today counts as that. Other variables of the objective count with their best values,
        whether they are new or not: costs, delays and ends mostly follow from others, by today's data.

        Args:
            stop: asked often; true gives up.

        Returns:
            The objective; None without one, without a past solution, or where it was given up or failed.
        """
        if self.near is None:
            return None
        try:
            model = self.prepared(stop)
            if model.objective is None or (model.domains.sizes == 0).any():
                return None
            plan, (low, high) = self.near.plan, bounds_of(model.domains)
            values = np.clip(plan.values, low, high)
            best = ~plan.known | (low < 0) | (high > 1)
            values[best] = np.where(model.costs > 0, low, high)[best]
            return model.objective.value_of(values.tolist())
        except ReadingStoppedError:
            return None
        except Exception as error:
            self.fail(error)
            return None

    def start(
        self,
        ends: float,
        stop: Callable[[], bool],
        parameters: cmh.SatParameters,
        beaten: Callable[[Start], bool],
        *,
        any_will_do: bool,
    ) -> Start | None:
        """Return a complete solution near the nearest past one; None if there is none in time.

        Args:
            ends: when to give up, of ``time.perf_counter``.
            stop: asked often; true gives up.
            parameters: CP-SAT's, of which the seed and the limit of memory count.
            beaten: tells of a solution whether a better one is known.
            any_will_do: whether the first solution is enough.
        """
        if self.near is None:
            return None
        try:
            model = self.prepared(stop)
            plan, before = self.near.plan, self.near.objective
            start = find_start(
                model,
                plan,
                ends,
                before=before,
                parameters=parameters,
                stop=stop,
                beaten=beaten,
                any_will_do=any_will_do,
                annealers=lambda: self.annealers(parameters, stop),
            )
        except ReadingStoppedError:
            start = None
        except Exception as error:
            self.fail(error)
            return None
        if start is None:
            self.why_not = f"solve {self.near.number} led to no solution in time"
        return start

    def improved(
        self, start: Start, ends: float, stop: Callable[[], bool], parameters: cmh.SatParameters
    ) -> Iterator[Start]:
        """Yield better solutions that come of a start.

        That is by annealing where that can be done, and then as :func:`nnsearch.cpsat.starts.start.improved` does it.
        """
        try:
            model, annealers = self.prepared(stop), self.annealers(parameters, stop)
            if annealers is not None and model.objective is not None:
                for solution in annealers.in_turns(start.solution, ends, stop):
                    start = Start(solution, model.objective.value_of(solution), None)
                    yield start
            yield from improved(model, start, ends, parameters=parameters, stop=stop)
        except ReadingStoppedError:
            return
        except Exception as error:
            self.fail(error)

    def annealers(self, parameters: cmh.SatParameters, stop: Callable[[], bool]) -> Annealers | None:
        """Return what anneals the model; None where it is no integer program, or there is no machine code yet.

        Args:
            parameters: CP-SAT's, of which the seed counts.
            stop: asked often; true gives up.
        """
        if not self._is_asked:
            self._is_asked = True
            try:
                self._annealers = Annealers.at_hand(self.prepared(stop), parameters.random_seed, stop)
            except ReadingStoppedError:
                pass
            except Exception as error:
                self.fail(error)
        return self._annealers

    def annealed(
        self, annealers: Annealers, known: Start, turn: float, workers: int, stop: Callable[[], bool]
    ) -> Iterator[list[int]]:
        """Yield the better solutions that annealing finds from a known one in a turn.

        Args:
            annealers: of the model.
            known: the solution.
            turn: seconds.
            workers: how many threads.
            stop: asked often; true ends it.
        """
        try:
            yield from annealers.better(known.solution, known.objective, turn, workers, stop)
        except Exception as error:
            self.fail(error)

    def within(self, model: cp_model.CpModel) -> PastOf:
        """Return the same past for a model that has this one's variables first, and more of its own."""
        other = PastOf(self._store, self._given, model, self._warn)
        other.keeps, other._has_looked = True, self._has_looked
        if self.near is not None:
            more = len(model.proto.variables) - len(self.near.plan.values)
            plan = Plan(np.pad(self.near.plan.values, (0, more)), np.pad(self.near.plan.known, (0, more)))
            other.near = self.near._replace(plan=plan, objective=None)
        return other

    def changes(self, solution: list[int]) -> list[Change]:
        """Return the variables whose values differ from the nearest past solution, in the model's order."""
        if self.near is None:
            return []
        plan = self.near.plan
        different = np.flatnonzero(plan.known & (plan.values != np.array(solution, dtype=np.int64)))
        _, names = self._reading(None)
        before = plan.values[different].tolist()
        return [
            Change(names[place] or f"v{place}", value, solution[place])
            for place, value in zip(different.tolist(), before, strict=True)
        ]

    def record(
        self,
        response: cmh.CpSolverResponse,
        parameters: cmh.SatParameters,
        *,
        seconds: float,
        found_by: str,
        bounded: bool,
        improvements: Mapping[str, int],
    ) -> None:
        """Keep an answer; see :func:`nnsearch.history.recording.past_solve`."""
        if self._store is None or response.status == cp_model.MODEL_INVALID:
            return
        if response.status == cp_model.UNKNOWN and self._read is None:
            return  # to read a large model takes longer than such an answer is worth
        from nnsearch.history.recording import bytes_of, past_solve

        try:
            model, (sketch, names) = self.prepared(None), self._reading(None)
            solve = past_solve(
                model,
                response,
                family=self._family or "",
                seconds=seconds,
                found_by=found_by,
                parameters=parameters,
                bounded=bounded,
                names=names,
                improvements=improvements,
            )
            self._store.record(solve, bytes_of(model), sketch)
        except Exception as error:
            self._warn(error)

    def fail(self, error: Exception) -> None:
        """Warn of what went wrong with the past; the solve goes on without it."""
        self.why_not = f"it failed: {error}" if isinstance(error, HistoryError) else f"it failed: {error!r}"
        self._warn(error)

    def _reading(self, stop: Callable[[], bool] | None) -> tuple[Hashes, tuple[str, ...]]:
        from nnsearch.history.nearness import sketch
        from nnsearch.history.recording import names_of

        if self._read is None:
            model = self.prepared(stop)
            self._read = sketch(model), names_of(model)
        return self._read
