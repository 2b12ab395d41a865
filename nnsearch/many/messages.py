"""What search processes and the process that has the network say to each other; arrays go another way.

After the first :class:`Setup` a search process speaks, and then waits for the reply: :class:`Report` for
:class:`Orders` (or, when it has no searches, for another :class:`Setup`), :class:`Ask` for :class:`Answer`,
:class:`Prepare` for :class:`Prepared`. So the two never write at the same time, which would block both once a message
is larger than what lies between them.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar, cast

from ortools.sat.python import cp_model

from nnsearch.cp.search_options import SearchOptions
from nnsearch.encoding.encoder import Encoder
from nnsearch.errors import NNSearchError
from nnsearch.many.gathering import GatherCount
from nnsearch.many.search_task import AnyModel, AnyTask, SearchTask, model_and_variables
from nnsearch.many.shared_arrays import Layout
from nnsearch.model.graph import CandidateGraph
from nnsearch.model.variables import check_no_negation
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
        released: models, by the numbers of :class:`Prepared`, that no search will ask about any more.
    """

    ended: list[tuple[int, SolveResult | Exception]]
    room: int
    count: GatherCount
    released: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Orders:
    """Searches to start (index, packed model), and to end (index)."""

    start: list[tuple[int, bytes]] = field(default_factory=list)
    stop: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Ask:
    """Score states; the arrays of each are in the memory that the search process writes."""

    layouts: list[Layout]


@dataclass(frozen=True)
class Answer:
    """For each state the scores, one array in the memory that the search process reads, or what the scorer raised."""

    scores: list[Layout | Exception]


@dataclass(frozen=True)
class Prepare:
    """Let the scorer read a model, see :meth:`nnsearch.scorers.scorer.Scorer.prepare`."""

    graph: CandidateGraph
    variables: Sequence[int] | None


@dataclass(frozen=True)
class Prepared:
    """The number that the model has from now on, or what the scorer raised."""

    number: int | Exception


def sendable(outcome: R) -> R | NNSearchError:
    """Return an outcome as the other process can read it: of a user's exception that it cannot, the text."""
    if isinstance(outcome, Exception):
        try:
            pickle.loads(pickle.dumps(outcome))
        except Exception:
            return NNSearchError(f"{type(outcome).__name__}: {outcome}")
    return outcome


def pack(task: AnyTask) -> bytes:
    """Return a task as bytes for another process, which :func:`unpack` makes the same task from.

    Raises:
        ConfigError: it is not a model.
    """
    if isinstance(task, SearchTask):
        return pickle.dumps(SearchTask(_packed(task.model), task.options))
    return pickle.dumps(_packed(task))


def unpack(packed: bytes) -> AnyTask:
    """Return the task of :func:`pack`."""
    task = pickle.loads(packed)
    if isinstance(task, SearchTask):
        return SearchTask(_unpacked(task.model), task.options)
    return _unpacked(task)


@dataclass(frozen=True)
class _Text:
    """A CpModel, which cannot be pickled, and the indices of the variables to assign."""

    model: str
    indices: list[int]


def _packed(model: AnyModel) -> object:
    if type(model).__module__.startswith("nnsearch."):
        try:
            pickle.dumps(model)
        except TypeError:  # it holds a CpModel
            pass
        else:
            return model  # an instance is smaller and faster than the model that it builds
    built, variables = model_and_variables(model)
    check_no_negation([variable.index for variable in variables])
    return _Text(str(built.proto), [variable.index for variable in variables])


def _unpacked(packed: object) -> AnyModel:
    if not isinstance(packed, _Text):
        return cast(AnyModel, packed)
    model = cp_model.CpModel()
    model.proto.parse_text_format(packed.model)
    return model, [model.get_int_var_from_proto_index(index) for index in packed.indices]
