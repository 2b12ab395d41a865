"""Simulated annealing of a model that is an integer program, by several threads at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence

from nnsearch.annealing.annealing import Annealing
from nnsearch.errors import CompilerError, NothingToReadError
from nnsearch.model.prepared import PreparedModel
from nnsearch.model.relaxation import Relaxation, is_read_in_full
from nnsearch.model.stopping import ReadingStoppedError

_POLL_SECONDS = 0.01
_REST = 4.0  # times what it took to make use of a solution, a check, until the next one is shown
_SECONDS_FOR_A_VARIABLE, _LEAST_TURN = 25e-6, 0.1
_MENDING_SECONDS = 1.0  # to cool down; a walk that is cold before it is at a solution seldom finds one
_LOADING_SECONDS = 0.5  # to read the model once more, and to load machine code that has been made


class Annealers:
    """Threads that look for better solutions, each by a walk of its own from the same one.

    Args:
        model: with an objective.
        seed: of the walks.
        stop: asked from time to time; true ends the reading.

    Attributes:
        turn: seconds of a processor in which it mostly shows whether annealing is of use.

    Raises:
        CompilerError: there is no machine code; see :func:`nnsearch.compiled.loading.compiled`.
        NothingToReadError: the model is no integer program, or has no objective.
        ReadingStoppedError: ``stop`` said so.
    """

    def __init__(self, model: PreparedModel, seed: int, stop: Callable[[], bool] | None = None) -> None:
        if model.objective is None or not is_read_in_full(model):
            raise NothingToReadError("expected an integer program with an objective, got another model")
        self._objective = model.objective
        relaxation = Relaxation.of(model, stop=stop)
        if not relaxation.exact:
            raise NothingToReadError("expected an integer program, got other constraints")
        self._seed = seed
        self._walks = [Annealing(relaxation.program, seed, stop)]
        self.turn = max(_LEAST_TURN, _SECONDS_FOR_A_VARIABLE * len(model.names))

    @classmethod
    def at_hand(cls, model: PreparedModel, seed: int, stop: Callable[[], bool]) -> Annealers | None:
        """Return what anneals a model; None where it is no integer program, or there is no machine code by now.

        Args:
            model: with an objective.
            seed: of the walks.
            stop: asked often; true gives up.
        """
        until = time.perf_counter() + _LOADING_SECONDS
        try:
            return cls(model, seed, lambda: stop() or time.perf_counter() > until)
        except (CompilerError, NothingToReadError, ReadingStoppedError):
            return None

    def in_turns(self, solution: Sequence[int], ends: float, stop: Callable[[], bool]) -> Iterator[list[int]]:
        """Yield what one thread finds from a solution, in turns that are longer each time, until one was in vain.

        Args:
            solution: to begin with.
            ends: when no turn may end later, of ``time.perf_counter``.
            stop: asked often; true ends it.
        """

        def over() -> bool:
            return stop() or time.perf_counter() >= ends

        turn, known, before = self.turn, list(solution), list[int]()
        while known is not before and not stop() and time.perf_counter() + turn <= ends:
            before = known
            for better in self.better(known, self._objective.value_of(known), turn, 1, over):
                known = better
                yield known
            turn *= 2

    def mended(self, values: Sequence[int], stop: Callable[[], bool]) -> Iterator[list[int]]:
        """Yield what one thread finds from values that may be no solution, in longer turns until one has led to any.

        Args:
            values: to begin with, of all variables, within their bounds.
            stop: asked often; true ends it.
        """
        turn, found = max(_MENDING_SECONDS, self.turn), False
        while not found and not stop():
            for solution in self.better(values, None, turn, 1, stop):
                found = True
                yield solution
            turn *= 2

    def better(
        self, values: Sequence[int], reached: float | None, seconds: float, workers: int, stop: Callable[[], bool]
    ) -> Iterator[list[int]]:
        """Cool down once, and yield better and better solutions as they come; those between two looks are left out.

        Args:
            values: to begin with, of all variables.
            reached: an objective to surpass; None is any.
            seconds: of a processor, for each, until all are cold; more than 0.
            workers: how many threads.
            stop: asked often; true ends it.
        """
        while len(self._walks) < workers:
            self._walks.append(self._walks[0].another(self._seed + len(self._walks)))
        told, failed = threading.Event(), list[BaseException]()
        best, objective, turn = list(values), self._objective, threading.Lock()

        def work(walk: Annealing) -> None:
            nonlocal best, reached
            try:
                for found in walk.better(values, seconds, told.is_set):
                    solution = found.tolist()
                    objective_value = objective.value_of(solution)
                    with turn:
                        if reached is None or objective.better(objective_value, reached):
                            best, reached = solution, objective_value
            except BaseException as error:
                failed.append(error)

        threads = [threading.Thread(target=work, args=(walk,), daemon=True) for walk in self._walks[:workers]]
        shown, looks_again = best, 0.0
        try:
            for thread in threads:
                thread.start()
            while any(thread.is_alive() for thread in threads) and not stop():
                asked = time.perf_counter()
                if best is not shown and asked >= looks_again:
                    shown = best
                    yield shown
                    now = time.perf_counter()
                    looks_again = now + _REST * (now - asked)
                time.sleep(_POLL_SECONDS)
        finally:
            told.set()
            for thread in threads:
                if thread.ident is not None:  # it was started
                    thread.join()
        if failed:
            raise failed[0]
        if best is not shown:
            yield best
