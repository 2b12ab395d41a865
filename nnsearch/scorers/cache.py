"""Scores of states that were scored before: transpositions, and the roots that restarts come back to."""

from __future__ import annotations

import hashlib
import math
import threading
from collections import OrderedDict
from pathlib import Path
from typing import cast

import numpy as np

from nnsearch.encoding.candidate_graph import GraphState
from nnsearch.errors import ConfigError
from nnsearch.model.graph import CandidateGraph
from nnsearch.scorers.onnx import is_graph_scorer, load_scorer
from nnsearch.scorers.scorer import AnyScorer, FloatArray, GraphScorer, Scorer

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
        self.hits = 0
        self.misses = 0
        self._room = int(megabytes * 1e6)
        self._scores: OrderedDict[bytes, FloatArray] = OrderedDict()
        self._lock = threading.Lock()  # the searches of several threads may share it

    def __len__(self) -> int:
        return len(self._scores)

    def recall(self, key: bytes) -> FloatArray | None:
        """Return the scores under a key of :func:`key_of`, not to be written to; None if there are none."""
        with self._lock:
            scores = self._scores.get(key)
            if scores is None:
                self.misses += 1
                return None
            self._scores.move_to_end(key)
            self.hits += 1
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


def key_of(state: FloatArray | GraphState) -> bytes:
    """Return what equal states have in common, and others do not: a digest of all that a scorer sees.

    Args:
        state: float32[1, V * D] of zeros and ones, or a graph.
    """
    if isinstance(state, GraphState):
        digest = hashlib.blake2b(digest_size=16)
        for array in (
            state.edge_candidate,
            state.edge_group,
            state.group_features,
            state.candidate_features,
            state.candidate,
            state.identity,
        ):
            digest.update(str(array.shape).encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.digest()
    return hashlib.blake2b(np.packbits(state != 0).data, digest_size=16).digest()


class _Cached:
    """What remembering scorers of both kinds have in common."""

    def __init__(self, scorer: AnyScorer, cache: ScoreCache | None) -> None:
        self.cache = ScoreCache() if cache is None else cache
        self.name = scorer.name
        self.recalled = 0
        """States whose scores were known."""

    def _recall(self, key: bytes) -> FloatArray | None:
        scores = self.cache.recall(key)
        self.recalled += scores is not None
        return scores


class CachedScorer(_Cached):
    """A network of one size that scores equal states once; see :func:`cached`."""

    def __init__(self, scorer: Scorer, cache: ScoreCache | None = None) -> None:
        super().__init__(scorer, cache)
        self.scorer = scorer
        self.num_variables, self.num_values = scorer.num_variables, scorer.num_values

    def score(self, assignment: FloatArray) -> FloatArray:
        """Score every candidate of every state; only the new states go to the network."""
        keys = [key_of(row) for row in assignment]
        rows = [self._recall(key) for key in keys]
        new = [index for index, row in enumerate(rows) if row is None]
        if new:
            for index, scores in zip(new, self.scorer.score(assignment[new]), strict=True):
                self.cache.note(keys[index], scores)
                rows[index] = scores
        return np.array(rows)


class CachedGraphScorer(_Cached):
    """A network on the candidate graph that scores equal states once; see :func:`cached`."""

    def __init__(self, scorer: GraphScorer, cache: ScoreCache | None = None) -> None:
        super().__init__(scorer, cache)
        self.scorer = scorer

    def prepare(self, graph: CandidateGraph) -> CandidateGraph:
        """Return what the network reads of a model's graph."""
        return self.scorer.prepare(graph)

    def score_graph(self, state: GraphState) -> FloatArray:
        """Score every candidate, of a state whose scores are known without the network."""
        key = key_of(state)
        scores = self._recall(key)
        if scores is None:
            scores = self.scorer.score_graph(state)
            self.cache.note(key, scores)
        return scores


def cached(scorer: str | Path | AnyScorer, cache: ScoreCache | None = None) -> CachedScorer | CachedGraphScorer:
    """Return a scorer that scores equal states once.

    Restarts come back to the root, and decisions in another order to the same state. Results then count what the cache
    knew apart, as ``states_recalled``.

    Args:
        scorer: name or path of a network, or a scorer that has equal scores for equal states.
        cache: may be shared by scorers that are copies of one network, and by no others. None is a new one.

    Raises:
        ModelFileError: there is no such network.
    """
    loaded = load_scorer(scorer)
    return CachedGraphScorer(loaded, cache) if is_graph_scorer(loaded) else CachedScorer(cast(Scorer, loaded), cache)
