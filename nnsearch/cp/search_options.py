"""How to search: one set of options for all that search in the CP engine."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Literal

from nnsearch.cp.discrepancies import Discrepancies
from nnsearch.cp.policy import InferencePolicy
from nnsearch.cp.restarts import Restarts
from nnsearch.cp.sampling import Sampling
from nnsearch.encoding.one_hot import OneHot
from nnsearch.errors import ConfigError
from nnsearch.limits import Limits
from nnsearch.scorers.network import Network

VariableOrder = Literal["min-domain", "first", "most-confident"]
_NEEDS_SCORER = {"needs_scorer": True}
VARIABLE_ORDERS: tuple[VariableOrder, ...] = ("min-domain", "first", "most-confident")


@dataclass(frozen=True)
class SearchOptions:
    """How to search.

    Args:
        variable_order: ``min-domain`` (fewest values first), ``first`` (as given) or ``most-confident`` (the network
            picks the best-scored pair among all); None is ``min-domain`` for networks of one size, else
            ``most-confident``.
        policy: when to ask the network again; None is at every node for networks of one size, else after 10 decisions
            and after a failure.
        sampling: random choices in proportion to the scores; None is greedy.
        restarts: when to start again from the root; None is never. ``default`` is never for networks of one size and
            with discrepancies, else :class:`nnsearch.cp.Restarts` as it is; a :class:`nnsearch.cp.ValuePhase` of your
            own cannot know whether its search stops at the first solution, so there it is never. Failures among the
            variables that are not assigned in learned order count as well.
        discrepancies: search in runs of ever more decisions against the order; None is depth-first. Below each leaf,
            the variables that are not assigned in learned order are searched in full.
        limits: when to give up; None is never. The time to read the model counts, that to load a network not. Of
            searches that take turns, each counts the seconds in which it ran, and its part of the inferences.

    Raises:
        ConfigError: the variable order is unknown, restarts meet discrepancies, or an option is something else.
    """

    variable_order: VariableOrder | None = None
    policy: InferencePolicy | None = field(default=None, metadata=_NEEDS_SCORER)
    sampling: Sampling | None = field(default=None, metadata=_NEEDS_SCORER)
    restarts: Restarts | Literal["default"] | None = field(default="default", metadata=_NEEDS_SCORER)
    discrepancies: Discrepancies | None = field(default=None, metadata=_NEEDS_SCORER)
    limits: Limits | None = None

    def __post_init__(self) -> None:
        if self.variable_order is not None and self.variable_order not in VARIABLE_ORDERS:
            raise ConfigError(
                f"variable_order: expected one of {', '.join(VARIABLE_ORDERS)}, got {self.variable_order!r}"
            )
        if self.restarts != "default" and not isinstance(self.restarts, Restarts | None):
            raise ConfigError(f"restarts: expected nnsearch.cp.Restarts, None or 'default', got {self.restarts!r}")
        for name, kind in (
            ("policy", InferencePolicy),
            ("sampling", Sampling),
            ("discrepancies", Discrepancies),
            ("limits", Limits),
        ):
            if not isinstance(value := getattr(self, name), kind | None):
                home = "nnsearch" if kind is Limits else "nnsearch.cp"
                raise ConfigError(f"{name}: expected {home}.{kind.__name__}, got {type(value).__name__}")
        if isinstance(self.restarts, Restarts) and self.discrepancies is not None:
            raise ConfigError("restarts and discrepancies are two ways to divide a search into runs; choose one")

    @classmethod
    def of(cls, options: SearchOptions | None) -> SearchOptions:
        """Return the options, or those of one who gives none.

        Raises:
            ConfigError: they are something else.
        """
        if not isinstance(options, SearchOptions | None):
            raise ConfigError(
                f"options: expected nnsearch.SearchOptions, got {type(options).__name__}; "
                "limits, for example, are SearchOptions(limits=...)"
            )
        return options or cls()

    def resolved_for(self, scorer: Network | None) -> SearchOptions:
        """Return the options with what a search with this scorer does where they leave it open.

        Raises:
            ConfigError: an option is for a scorer, and there is none.
        """
        if scorer is None:
            for_scorers = [one.name for one in fields(self) if one.metadata.get("needs_scorer")]
            if any(getattr(self, name) not in (None, "default") for name in for_scorers):
                *most, last = for_scorers
                names = f"{', '.join(most)} and {last}"
                raise ConfigError(f"{names} are for a scorer, and there is none; leave them out")
            if self.variable_order == "most-confident":
                raise ConfigError(
                    "variable_order: most-confident needs a network; choose one (scorer, --model), or another order"
                )
            return replace(self, variable_order=self.variable_order or "min-domain", restarts=None)
        one_size = isinstance(scorer.encoder, OneHot)
        restarts = self.restarts
        if restarts == "default":
            restarts = None if one_size or self.discrepancies is not None else Restarts()
        return replace(
            self,
            variable_order=self.variable_order or ("min-domain" if one_size else "most-confident"),
            # Scores of graphs cost more, and stay useful for some decisions.
            policy=self.policy or (InferencePolicy(1) if one_size else InferencePolicy(10, after_failure=True)),
            restarts=restarts,
        )
