"""How the two sides of a race share the workers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from nnsearch.cp.search_options import SearchOptions
from nnsearch.cpsat.dives import Dives
from nnsearch.errors import ConfigError

OnError = Literal["log", "raise"]


@dataclass(frozen=True)
class RaceOptions:
    """How the two sides share the workers.

    Args:
        head_start: seconds for CP-SAT before the learned search begins, so that easy models cost nothing more.
        slice_seconds: how long the learned search may hold a worker that CP-SAT would use well: of a model with an
            objective, or the only worker. To read the model counts. Then CP-SAT gets all workers and the best solution
            as a hint.
        search: how the learned search searches, without limits. To the seed of its restarts and to that of the dives
            ``random_seed`` is added; the policy holds for the dives, too.
        search_failures: failures of the learned search after which it changes to dives.
        dives: of the learned side, for models without an objective; None is never.

    Raises:
        ConfigError: a number is negative, or the search has limits.
    """

    head_start: float = 0.03
    slice_seconds: float = 0.5
    search: SearchOptions = field(default_factory=SearchOptions)
    search_failures: int = 40
    dives: Dives | None = field(default_factory=Dives)

    def __post_init__(self) -> None:
        if self.search.limits is not None:
            raise ConfigError("RaceOptions.search: expected no limits, got some; the solver's parameters hold them")
        for name in ("head_start", "slice_seconds", "search_failures"):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"RaceOptions.{name}: expected 0 or more, got {getattr(self, name)}")
