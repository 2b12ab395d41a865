"""Scores of states that were scored before: transpositions, and the roots that restarts come back to."""

from __future__ import annotations

import hashlib
import math
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nnsearch.encoding.encoder import FloatArray, State
from nnsearch.errors import ConfigError
from nnsearch.model.graph import BoolArray, CandidateGraph
from nnsearch.scorers.network import Network, PreparedDirect, PreparedNetwork
from nnsearch.scorers.onnx import load_scorer
from nnsearch.scorers.scorer import Advice, Scorer

_OVERHEAD = 300  # bytes of an entry beside its scores


class ScoreCache:
    """Scores by state; when the memory is full, those used longest ago are forgotten.

    Args:
        megabytes: how much memory the scores may take.

    Raises:
        ConfigError: not more than 0.
    """

    def __init__(self, megabytes: float = 64.0) -> None:
        if not isinstance(megabytes, int | float) or not 0 < megabytes < math.inf:
            raise ConfigError(f"cache: expected a number of megabytes above 0, got {megabytes!r}")
        self._room = int(megabytes * 1e6)
        self._scores: OrderedDict[bytes, FloatArray] = OrderedDict()
        self._lock = threading.Lock()  # the searches of several threads may share it

    def __len__(self) -> int:
        return len(self._scores)

    def recall(self, key: bytes) -> FloatArray | None:
        """Return the scores under a key of :func:`key_of`, not to be written to; None if there are none."""
        with self._lock:
            scores = self._scores.get(key)
            if scores is not None:
                self._scores.move_to_end(key)
            return scores

    def note(self, key: bytes, scores: FloatArray) -> None:
        """Keep scores under a key; the array is copied."""
        kept = np.array(scores)
        kept.flags.writeable = False
        with self._lock:
            if key in self._scores:
                return
            self._room -= kept.nbytes + _OVERHEAD
            self._scores[key] = kept
            while self._room < 0:
                _, forgotten = self._scores.popitem(last=False)
                self._room += forgotten.nbytes + _OVERHEAD


def key_of(state: State) -> bytes:
    """Return what equal states have in common, and others do not: a digest of all that a scorer sees."""
    digest = hashlib.blake2b(digest_size=16)
    for array in state.arrays:
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.digest()


class Cached(Network):
    """A scorer that scores equal states once; see :func:`cached`."""

    def __init__(self, network: Network, cache: ScoreCache | None = None) -> None:
        self.network, self.name, self.encoder, self.abstains = network, network.name, network.encoder, network.abstains
        self.purpose = network.purpose
        self.cache = ScoreCache() if cache is None else cache

    def prepare(self, graph: CandidateGraph, variables: Sequence[int] | None = None) -> PreparedNetwork:
        """Read a model; see :meth:`nnsearch.scorers.scorer.Scorer.prepare`."""
        prepared = self.network.prepare(graph, variables)
        if isinstance(prepared, PreparedDirect | PreparedCached):
            return PreparedCached(self, prepared.encoding, prepared)
        return PreparedNetwork(self, prepared.encoding)

    def score(self, states: Sequence[State]) -> list[FloatArray]:
        """Score states; only the new ones go to the network."""
        keys = [key_of(state) for state in states]
        scores = [self.cache.recall(key) for key in keys]
        new = [place for place, known in enumerate(scores) if known is None]
        self.recalled += len(states) - len(new)
        if new:
            for place, fresh in zip(new, self.network.score([states[place] for place in new]), strict=True):
                self.cache.note(keys[place], fresh)
                scores[place] = fresh
        return [one for one in scores if one is not None]


@dataclass(frozen=True)
class PreparedCached(PreparedNetwork):
    """A scorer that has read a model by itself, and whose scores are kept."""

    prepared: PreparedNetwork

    def advise(self, alive: BoolArray) -> Advice:
        """Return all that the scorer says, asked anew: what it says beside its scores is not kept."""
        return self.prepared.advise(alive)


def cached(scorer: str | Path | Scorer, cache: ScoreCache | None = None) -> Cached:
    """Return a scorer that scores equal states once.

    Restarts come back to the root, and decisions in another order to the same state. Results then count what the cache
    knew apart, as ``states_recalled``.

    Args:
        scorer: name or path of a network, or a scorer that has equal scores for equal states.
        cache: may be shared by scorers that are copies of one network, and by no others. None is a new one.

    Raises:
        ModelFileError: there is no such network.
    """
    return Cached(load_scorer(scorer), cache)
