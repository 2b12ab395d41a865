"""What search processes and the process that has the network say to each other.

After the first :class:`Setup` a search process speaks, and then waits for the reply: :class:`Report` for
:class:`Orders` (or, when it has no searches, for another :class:`Setup`), :class:`Ask` for the scores of each state,
:class:`Prepare` for a number. So the two never write at the same time, which would block both once a message is larger
than what lies between them. In place of scores or a number may stand what the scorer raised.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from nnsearch.cp.search_options import SearchOptions
from nnsearch.encoding.encoder import Encoder, State
from nnsearch.errors import NNSearchError
from nnsearch.many.gathering import GatherCount
from nnsearch.model.graph import CandidateGraph
from nnsearch.result import SolveResult

R = TypeVar("R")


@dataclass(frozen=True)
class Setup:
    """What the searches to come are like.

    Attributes:
        name: of the scorer.
        encoder: how the network reads states; None where only the other process can prepare a model.
        abstains: see :class:`nnsearch.scorers.network.Network`.
        options: what every search is told.
        seats: how many searches at the same time.
        max_batch: of the states of this process, see :class:`nnsearch.many.gathering.Gathering`.
        max_wait: see there.
        cache_megabytes: of scores; None is no cache.
    """

    name: str
    encoder: Encoder | None
    abstains: bool
    options: SearchOptions
    seats: int
    max_batch: int | None
    max_wait: float
    cache_megabytes: float | None


@dataclass(frozen=True)
class Report:
    """How a search process is doing.

    Attributes:
        ended: searches by index, with their results or what was raised.
        room: how many more it can start.
        count: its costs until now.
        released: models, by the numbers that :class:`Prepare` gave them, that no search will ask about any more.
    """

    ended: list[tuple[int, SolveResult | Exception]]
    room: int
    count: GatherCount
    released: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Orders:
    """Searches to start (index, packed task), and to end (index)."""

    start: list[tuple[int, bytes]]
    stop: list[int]


@dataclass(frozen=True)
class Ask:
    """Score states; they are sent by memory, and so are the scores."""

    states: Sequence[State]


@dataclass(frozen=True)
class Prepare:
    """Let the scorer read a model, see :meth:`nnsearch.scorers.scorer.Scorer.prepare`."""

    graph: CandidateGraph
    variables: Sequence[int] | None


def sendable(outcome: R) -> R | NNSearchError:
    """Return an outcome as the other process can read it: of a user's exception that it cannot, the text."""
    if isinstance(outcome, Exception):
        try:
            pickle.loads(pickle.dumps(outcome))
        except Exception:
            return NNSearchError(f"{type(outcome).__name__}: {outcome}")
    return outcome
