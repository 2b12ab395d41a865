"""The search options of ``nnsearch solve``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Annotated, Literal

from cyclopts import Parameter

from nnsearch import cp
from nnsearch.cp.restarts import Schedule
from nnsearch.cp.search_options import SearchOptions, VariableOrder
from nnsearch.errors import ConfigError
from nnsearch.limits import Limits

SWITCH = Parameter(show_default=False)
"""Of an option without a value: off by default, which goes without saying."""


@dataclass(frozen=True, kw_only=True)
class SearchFlags:
    """How the CP engine searches; None and False are left out.

    The metadata of a flag name the field of :class:`SearchOptions` that it is a part of, which says what it needs.

    Args:
        variables: which variable next, cp engine: fewest values, in order, or chosen by the network (default
            min-domain; most-confident for networks on the candidate graph)
        infer_every: cp engine: ask the network after every K decisions; 1 = at every node, 0 = only at the root
            (default 1; for networks on the candidate graph 10, and after a failure)
        infer_after_failure: cp engine: ask again after a failure
        infer_below: cp engine: ask again before a decision less probable than P
        sample: cp engine: values at random in proportion to the scores, instead of best first
        temperature: of --sample (default 1)
        restart_after: cp engine: start again, with noise on the scores, after N failures, then ever later; 0 = never
            (default 40 for networks on the candidate graph, else 0)
        restart_schedule: how the runs between restarts grow (default geometric)
        discrepancies: cp engine: limited discrepancy search instead of restarts: few decisions against the network
            first
        time_limit: seconds
        failure_limit: failures (conflicts of cp-sat)
        seed: of all that draws at random (default 0)
    """

    variables: VariableOrder | None = field(default=None, metadata={"option": "variable_order"})
    infer_every: Annotated[int | None, Parameter(metavar="K")] = field(default=None, metadata={"option": "policy"})
    infer_after_failure: Annotated[bool, SWITCH] = field(default=False, metadata={"option": "policy"})
    infer_below: Annotated[float | None, Parameter(metavar="P")] = field(default=None, metadata={"option": "policy"})
    sample: Annotated[bool, SWITCH] = field(default=False, metadata={"option": "sampling"})
    temperature: Annotated[float | None, Parameter(metavar="T")] = field(default=None, metadata={"option": "sampling"})
    restart_after: Annotated[int | None, Parameter(metavar="N")] = field(default=None, metadata={"option": "restarts"})
    restart_schedule: Schedule | None = field(default=None, metadata={"option": "restarts"})
    discrepancies: Annotated[bool, SWITCH] = field(default=False, metadata={"option": "discrepancies"})
    time_limit: Annotated[float | None, Parameter(metavar="S")] = field(default=None, metadata={"option": "limits"})
    failure_limit: Annotated[int | None, Parameter(metavar="N")] = field(default=None, metadata={"option": "limits"})
    seed: Annotated[int | None, Parameter(metavar="N")] = None

    def given(self) -> Iterator[tuple[str, bool]]:
        """Yield (option, whether it needs a network) of all that were given and are for the CP engine alone."""
        needs_network = {one.name: one.metadata.get("needs_scorer", False) for one in fields(SearchOptions)}
        for one in fields(self):
            option, value = one.metadata.get("option", "limits"), getattr(self, one.name)
            if option != "limits" and value is not None and value is not False:
                yield "--" + one.name.replace("_", "-"), needs_network[option]

    def check(self) -> None:
        """Raise a ``ConfigError`` where a part of an option stands without the other, or no engine takes the seed."""
        if self.seed is not None and not 0 <= self.seed < 2**31:
            raise ConfigError(f"--seed: expected 0 to 2147483647, got {self.seed}")
        if self.temperature is not None and not self.sample:
            raise ConfigError("--temperature is for --sample; add it or leave the temperature out")
        if self.restart_after == 0 and self.restart_schedule is not None:
            raise ConfigError("--restart-schedule has no meaning without restarts; leave it out")

    def options(self) -> SearchOptions:
        """Return what the CP engine is told."""
        seed = self.seed or 0
        policy = None
        if self.infer_every is not None or self.infer_after_failure or self.infer_below is not None:
            every = 1 if self.infer_every is None else self.infer_every
            policy = cp.InferencePolicy(every, self.infer_after_failure, self.infer_below)
        restarts: cp.Restarts | Literal["default"] | None = "default"
        if self.restart_after == 0:
            restarts = None
        elif self.restart_after is not None or self.restart_schedule is not None:
            failures = cp.Restarts.failures if self.restart_after is None else self.restart_after
            restarts = cp.Restarts(failures, seed=seed, schedule=self.restart_schedule or "geometric")
        return SearchOptions(
            self.variables,
            policy,
            cp.Sampling(seed, 1.0 if self.temperature is None else self.temperature) if self.sample else None,
            restarts,
            cp.Discrepancies() if self.discrepancies else None,
            Limits(self.time_limit, self.failure_limit),
        )
