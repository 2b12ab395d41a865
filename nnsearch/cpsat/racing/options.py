"""How the learned search takes part in a race."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from nnsearch.cp.search_options import SearchOptions
from nnsearch.cpsat.dives import Dives
from nnsearch.cpsat.neighbourhoods import Neighbourhoods
from nnsearch.errors import ConfigError

OnError = Literal["log", "raise"]
"""What an exception in the learned search does: a warning with a traceback, or an exception of ``solve``."""


@dataclass(frozen=True)
class RaceOptions:
    """How the learned search takes part. CP-SAT has all workers, and the learned search is one more thread.

    Where this process may use more processors than there are workers, that thread has one for itself and no bound. Else
    it is at work for at most ``grant + share * t`` seconds for each processor, ``t`` seconds after it began.

    Args:
        head_start: Seconds for CP-SAT before the learned search begins, so that easy models cost nothing more; ten
            times as many for a first solution where there is an objective, since CP-SAT mostly has one by then. A start
            from history waits for a hundredth of a second at most.
        grant: Seconds that the learned search may take at once, for each processor. To read the model counts.
        full_grant: The same, of a model all of whose constraints are candidates and groups, until ``full_failures``:
            there learned orders are at their best, and a search that soon fails shows that this is another model.
        full_failures: Failures from which on ``grant`` holds for such a model, too, for each of its candidates: the
            more there are to decide, the more failures a good order still has.
        share: Of every second from then on, for each processor.
        patience: Seconds that the learned search may go on after CP-SAT has an answer, where the network knows
            preferences that the model does not hold: then its answer counts, and its time has no other bound.
        search: How the learned search searches, without limits. To the seed of its restarts and to that of the dives
            ``random_seed`` is added; the policy holds for the dives, too.
        search_failures: Failures of the learned search after which it changes to dives.
        dives: Of the learned side; None is never. One begins only when the share allows as many seconds as it may take.
        start_seconds: Seconds that history may take to look for a start.
        start_share: Or this share of the time limit, where that is more.
        trial_seconds: Seconds that CP-SAT has to find a solution by itself when the learned search has the first one;
            and to find one better than history's start, as long as it has none that is worse by more than a fiftieth.
            Until then, or for ``start_share`` of the time limit, the start is improved as long as that succeeds; then
            CP-SAT begins again from what came of it, with large neighbourhoods and local search alone as long as they
            bring something, and in turns with annealing as long as that does.
            A past schedule leads instead.
        neighbourhoods: How a scorer that knows objectives leads.
        lead_after: Seconds that CP-SAT has before it does; a short turn of annealing comes before that.
        lead_trial: Seconds from then on, or ``start_share`` of the time limit where that is more, in which it leads a
            search beside CP-SAT; at their end the one that is behind stops, and sooner the scorer's if
            CP-SAT has a solution and a much better bound than the scorer. CP-SAT that has no solution goes on three
            times as long, and to the end if it has had more than half of what is left. A past schedule leads as soon as
            it has led to a solution; beside it CP-SAT goes on three times as long if it is worse by a fiftieth at most.
            When CP-SAT begins again beside the search of a schedule, it leaves that one of several workers.
            To read the model takes a quarter of the time left or these seconds at most, and so does what a scorer has
            to say at the beginning.

    Raises:
        ConfigError: A number is negative, or the search has limits.
    """

    head_start: float = 0.03
    grant: float = 0.1
    full_grant: float = 1.0
    full_failures: float = 0.005
    share: float = 0.02
    patience: float = 10.0
    search: SearchOptions = field(default_factory=SearchOptions)
    search_failures: int = 40
    dives: Dives | None = field(default_factory=lambda: Dives(seconds=0.1))
    start_seconds: float = 1.5
    start_share: float = 0.1
    trial_seconds: float = 0.2
    neighbourhoods: Neighbourhoods = field(default_factory=Neighbourhoods)
    lead_after: float = 0.1
    lead_trial: float = 1.0

    def __post_init__(self) -> None:
        if self.search.limits is not None:
            raise ConfigError("RaceOptions.search: expected no limits, got some; the solver's parameters hold them")
        for name in (
            *("head_start", "grant", "full_grant", "full_failures", "share", "patience", "search_failures"),
            *("start_seconds", "start_share", "trial_seconds", "lead_after", "lead_trial"),
        ):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"RaceOptions.{name}: expected 0 or more, got {getattr(self, name)}")
