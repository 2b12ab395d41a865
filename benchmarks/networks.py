"""The networks that take part in a benchmark."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnsearch.encoding.one_hot import OneHot
from nnsearch.errors import ConfigError, ModelFileError
from nnsearch.inference.pretrained import pretrained_models
from nnsearch.inference.providers import Provider
from nnsearch.model.graph import CandidateGraph
from nnsearch.problems.latin_square.problem import LatinSquare
from nnsearch.scorers.onnx import OnnxScorer
from training.running.fan_out import Needs
from training.running.network_file import NetworkFile


@dataclass(frozen=True)
class LoadedNetwork:
    """A loaded network that has run once, so that no measurement pays for its first inference.

    Pickled, it is its file, which another process opens and runs once.
    """

    scorer: OnnxScorer
    file: NetworkFile

    def __reduce__(self) -> tuple[Callable[[NetworkFile], LoadedNetwork], tuple[NetworkFile]]:
        return _network, (self.file,)

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self.scorer.name

    @property
    def order(self) -> int | None:
        """Order of the Latin squares that it was made for; None for a network on the candidate graph."""
        encoder = self.scorer.encoder
        return encoder.num_values if isinstance(encoder, OneHot) else None

    @property
    def config(self) -> dict[str, Any]:
        """What a record says about it."""
        return {
            "model": self.name,
            "model_sha256": self.file.digest,
            "provider": self.scorer.provider,
            "threads": self.file.threads,
        }

    @property
    def needs(self) -> Needs:
        """What a search that asks it needs of a machine."""
        return self.file.needs


def load_networks(specs: Sequence[str] | None, provider: Provider, threads: int) -> list[LoadedNetwork]:
    """Load networks by names of pretrained ones or paths of ``.onnx`` files.

    None is every pretrained one that is for any solution; those for objectives are in suites of their own.

    Raises:
        ModelFileError: a file cannot be used, or is a one-hot network for anything but Latin squares.
        ConfigError: two networks have one name, or the number of threads is below 1.
    """
    if threads < 1:
        raise ConfigError(f"threads: expected 1 or more, got {threads}")
    networks: list[LoadedNetwork] = []
    for spec in pretrained_models() if specs is None else specs:
        scorer = OnnxScorer(spec, provider, threads)
        if specs is None and scorer.purpose == "objective":
            continue
        if scorer.name in (network.name for network in networks):
            raise ConfigError(f"two networks are named {scorer.name!r}, which mixes up their results; rename one")
        _run_once(scorer)
        networks.append(LoadedNetwork(scorer, NetworkFile.of(scorer, threads)))
    return networks


@functools.cache
def _network(file: NetworkFile) -> LoadedNetwork:
    scorer = file.open()
    _run_once(scorer)
    return LoadedNetwork(scorer, file)


def _run_once(scorer: OnnxScorer) -> None:
    encoder, metadata = scorer.encoder, scorer.metadata
    if metadata.identities is not None:  # one for a single model takes its inputs from nothing else
        return
    if isinstance(encoder, OneHot) and (
        metadata.problem != LatinSquare.name or encoder.num_variables != encoder.num_values**2
    ):
        raise ModelFileError(
            f"{scorer.path}: expected a network for {LatinSquare.name}, got one for {metadata.problem} "
            f"with {metadata.num_variables} variables of {metadata.num_values} values"
        )
    order = encoder.num_values if isinstance(encoder, OneHot) else 3
    graph = CandidateGraph.from_model(LatinSquare(order).build()[0])
    scorer.prepare(graph).advise(np.ones((1, graph.num_candidates), dtype=bool))
