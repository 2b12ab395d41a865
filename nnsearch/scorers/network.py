"""Scorers as searches ask them: an encoder says how a state is read, and states of many searches share an inference."""

from __future__ import annotations

import itertools
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nnsearch.encoding.encoder import Encoder, Encoding, FloatArray, State, TargetEncoding
from nnsearch.errors import ScoreError
from nnsearch.limits import CLOCK
from nnsearch.model.graph import BoolArray, CandidateGraph
from nnsearch.result import InferenceCount
from nnsearch.scorers.scorer import Advice, PreparedScorer, Scorer


class Network(ABC):
    """A scorer that reads states through an encoder. To be subclassed: :meth:`score` is all that is missing.

    Attributes:
        name: a short name for results and messages.
        encoder: how it reads states.
        recalled: states whose scores were known, of a network that remembers; see :mod:`nnsearch.scorers.cache`.
        purpose: what its order of values is for; see :class:`nnsearch.inference.metadata.ModelMetadata`.
        abstains: whether ``-inf`` among its scores is no damage but says that it knows nothing.
    """

    name: str
    encoder: Encoder
    recalled: int = 0
    purpose: str = "feasibility"
    abstains: bool = False

    def prepare(self, graph: CandidateGraph, variables: Sequence[int] | None = None) -> PreparedNetwork:
        """Read a model; see :meth:`nnsearch.scorers.scorer.Scorer.prepare`."""
        return PreparedNetwork(self, self.encoder.prepare(graph, variables, self.name))

    @abstractmethod
    def score(self, states: Sequence[Any]) -> list[FloatArray]:
        """Score states of any models together.

        Args:
            states: made by the encoder, each with at least one score.

        Returns:
            For each state float32[num_scores], in the order that the encoder knows.
        """


@dataclass(frozen=True)
class PreparedNetwork:
    """A network that has read a model, and the model as its encoder sees it."""

    network: Network
    encoding: Encoding

    def advise(self, alive: BoolArray) -> Advice:
        """Score states; see :meth:`nnsearch.scorers.scorer.PreparedScorer.advise`."""
        count, encoding = InferenceCount(), self.encoding
        states = [encoding.encode(row) for row in alive]
        answers = [ask(self.network, state, count) for state in states]
        scores = np.stack([encoding.decode(*pair) for pair in zip(states, answers, strict=True)])
        if not isinstance(encoding, TargetEncoding):
            return Advice(scores)
        targets = [encoding.targets(*pair) for pair in zip(states, answers, strict=True)]
        return Advice(scores, np.stack([one for one, _ in targets]), np.stack([sure for _, sure in targets]))

    def score(self, alive: BoolArray, count: InferenceCount) -> FloatArray:
        """Score one state (bool[N], see :meth:`advise`), count the cost, and trust nothing that comes back.

        Returns:
            float32[N]; ``-inf`` where the scorer says nothing.

        Raises:
            ScoreError: the scores have another shape, or one is NaN or infinite.
        """
        state = self.encoding.encode(alive)
        return self.encoding.decode(state, ask(self.network, state, count))


def ask(network: Network, state: State, count: InferenceCount) -> FloatArray:
    """Score an encoded state as :meth:`PreparedNetwork.score` does; one without scores costs nothing."""
    if not state.num_scores:
        return np.zeros(0, dtype=np.float32)
    clock = CLOCK.get()
    known = network.recalled
    started = clock()
    answers = network.score([state])
    count.seconds += clock() - started
    recalled = network.recalled - known
    count.recalled += recalled
    count.states += 1 - recalled
    count.calls += 1 - recalled
    if len(answers) != 1:
        raise ScoreError(f"{network.name}: expected the scores of 1 state, got {len(answers)}")
    scores = answers[0]
    if (got := shape_of(scores)) != (state.num_scores,):
        raise ScoreError(f"{network.name}: expected scores of shape {(state.num_scores,)}, got {got}")
    # Comparisons with NaN are false.
    if not (np.isfinite(scores).all() or (network.abstains and (scores < np.inf).all())):
        raise ScoreError(f"{network.name}: expected finite scores, got NaN or infinity; the network is damaged")
    return scores


def shape_of(scores: object) -> object:
    """Return the shape of scores; of what is no array, the name of its type."""
    return getattr(scores, "shape", type(scores).__name__)


class Direct(Network):
    """A scorer that reads states by itself, behind the same door as a network."""

    abstains = True

    def __init__(self, scorer: Scorer) -> None:
        self.name = scorer.name
        self.purpose = getattr(scorer, "purpose", self.purpose)
        self.encoder: DirectEncoder = DirectEncoder(scorer)

    def prepare(self, graph: CandidateGraph, variables: Sequence[int] | None = None) -> PreparedDirect:
        """Let the scorer read a model; see :meth:`nnsearch.scorers.scorer.Scorer.prepare`."""
        return PreparedDirect(self, self.encoder.prepare(graph, variables, self.name))

    def score(self, states: Sequence[DirectState]) -> list[FloatArray]:
        """Ask for all states of a model at once."""
        scores: dict[int, FloatArray] = {}
        places: dict[int, list[int]] = {}
        for place, state in enumerate(states):
            places.setdefault(state.model.number, []).append(place)
        for same in places.values():
            alive = np.stack([states[place].alive for place in same])
            scores |= zip(same, self.advice(states[same[0]].model, alive).scores, strict=True)
        return [scores[place] for place in range(len(states))]

    def advice(self, model: DirectEncoding, alive: BoolArray) -> Advice:
        """Ask the scorer for all that it says of states, and check the shape.

        Raises:
            ScoreError: it does not follow the protocol.
        """
        assert model.prepared is not None  # a state of another process is made whole when it is received
        advice = model.prepared.advise(alive)
        if not isinstance(advice, Advice):
            raise ScoreError(
                f"{self.name}: expected advise to return nnsearch.Advice(scores), got {type(advice).__name__}"
            )
        advised = np.asarray(advice.scores, dtype=np.float32)
        if advised.shape != alive.shape:
            raise ScoreError(f"{self.name}: expected scores of shape {alive.shape}, got {advised.shape}")
        each = len(alive), model.graph.num_variables
        for name, asked, shape in (
            ("target", advice.target, each),
            ("confidence", advice.confidence, each),
            ("bound", advice.bound, each[:1]),
        ):
            if asked is not None and np.shape(asked) != shape:
                raise ScoreError(f"{self.name}: expected {name} of shape {shape}, got {np.shape(asked)}")
        return advice._replace(scores=advised)


@dataclass(frozen=True)
class PreparedDirect(PreparedNetwork):
    """A scorer that has read a model by itself."""

    network: Direct
    encoding: DirectEncoding

    def advise(self, alive: BoolArray) -> Advice:
        """Return all that the scorer says: targets, confidence and bounds, too."""
        return self.network.advice(self.encoding, alive)


@dataclass(frozen=True, eq=False)
class DirectState:
    """The candidates of a model that are possible, bool[N]."""

    model: DirectEncoding
    alive: BoolArray

    def __reduce__(self) -> tuple[Callable[..., DirectState], tuple[int, BoolArray]]:
        """Send the number of the model, which the other process has prepared."""
        return _received, (self.model.number, self.alive)

    @property
    def num_scores(self) -> int:
        """N."""
        return len(self.alive)

    @property
    def arrays(self) -> tuple[npt.NDArray[Any], ...]:
        """The candidates, and the number of the model."""
        return self.alive, np.array([self.model.number])


@dataclass(frozen=True, eq=False)
class DirectEncoding:
    """A model that a scorer has prepared.

    Attributes:
        graph: the model.
        number: of the model among all that were prepared in this process.
        prepared: the scorer that has read it; None in a process that only knows the number.
    """

    graph: CandidateGraph
    number: int
    prepared: PreparedScorer | None = None

    def observed(self, alive: BoolArray) -> BoolArray:
        """Return all of it."""
        return alive

    def encode(self, alive: BoolArray) -> DirectState:
        """Return the candidates as they are; none where no variable is open, so that nobody is asked."""
        return DirectState(self, alive if (self.graph.count(alive) > 1).any() else alive[:0])

    def decode(self, state: DirectState, scores: FloatArray) -> FloatArray:
        """Return the scores as they are."""
        return scores if state.num_scores else np.full(self.graph.num_candidates, -np.inf, dtype=np.float32)


_NUMBERS = itertools.count()  # one count for all scorers: a cache that two of them share tells their models apart
_MODELS: weakref.WeakValueDictionary[int, DirectEncoding] = weakref.WeakValueDictionary()


def _received(number: int, alive: BoolArray) -> DirectState:
    return DirectState(_MODELS[number], alive.copy())  # the scorer may keep it


class DirectEncoder:
    """Leaves the reading to the scorer."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    def prepare(self, graph: CandidateGraph, variables: Sequence[int] | None, name: str) -> DirectEncoding:
        """Let the scorer read a model."""
        encoding = DirectEncoding(graph, next(_NUMBERS), self._scorer.prepare(graph, variables))
        _MODELS[encoding.number] = encoding
        return encoding
