"""The worker that anneals the best solution that anybody has, in turns."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from nnsearch.cpsat.incumbent import Incumbent
from nnsearch.cpsat.starts.annealers import Annealers

_TURN_SECONDS, _LONGER, _LONGER_IN_VAIN = 0.3, 1.3, 2.0


class AnnealingWorker(threading.Thread):
    """One worker that anneals. After turns in vain it rests, for as long as they took together.

    Args:
        annealers: of the model.
        incumbent: its best solution is where each turn but the first begins.
        values: of all variables, to begin with, and as long as there is no solution.
        begins_with_best: whether the first turn begins with a solution that is there by then.
        check: returns whether a solution is the best by now, and ends when what it is given as well says so.
        after: seconds that it waits at first.

    Attributes:
        told: ends it.
        rests: whether its processor may do something else.
        failed: the error that ended it; None where there was none.
    """

    def __init__(
        self,
        annealers: Annealers,
        incumbent: Incumbent,
        values: list[int],
        check: Callable[[list[int], Callable[[], bool]], bool],
        after: float,
        *,
        begins_with_best: bool,
    ) -> None:
        super().__init__(name="nnsearch-annealing", daemon=True)
        self.told = threading.Event()
        self.rests = True
        self._vain_turns = 0
        self.failed: BaseException | None = None
        self._annealers, self._incumbent, self._values = annealers, incumbent, values
        self._check, self._rest = check, after
        self._seconds, self._is_first = max(_TURN_SECONDS, annealers.turn), not begins_with_best

    @property
    def in_vain(self) -> bool:
        """Whether little is to be hoped for: its last two turns brought nothing, or it has failed."""
        return self._vain_turns > 1 or self.failed is not None

    def run(self) -> None:
        """Anneal until told."""
        try:
            while not self.told.wait(self._rest):
                self._take_turn()
        except BaseException as error:
            self.failed, self.rests = error, True

    def _take_turn(self) -> None:
        self.rests = False
        began, before = time.perf_counter(), self._incumbent.reached
        values = (self._is_first and self._values) or self._incumbent.best or self._values
        self._is_first = False
        better = False
        for solution in self._annealers.better(values, before, self._seconds, 1, self.told.is_set):
            better = self._check(solution, self.told.is_set) or better
        took = time.perf_counter() - began
        self._vain_turns, self.rests = 0 if better else self._vain_turns + 1, not better
        self._rest = 0.0 if better else self._rest + took
        self._seconds *= _LONGER if better else _LONGER_IN_VAIN
