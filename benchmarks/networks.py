"""The networks that take part in a benchmark."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nnsearch.errors import ConfigError, ModelFileError
from nnsearch.inference.pretrained import pretrained_models
from nnsearch.inference.providers import Provider
from nnsearch.inference.session import OnnxScorer, open_network
from nnsearch.problems.latin_square import LatinSquare


@dataclass(frozen=True)
class Network:
    """A loaded network that has run once, so that no measurement pays for its first inference.

    Attributes:
        scorer: the network.
        digest: the first 12 hexadecimal digits of the file's SHA-256.
        threads: CPU threads of one inference.
    """

    scorer: OnnxScorer
    digest: str
    threads: int

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self.scorer.name

    @property
    def order(self) -> int:
        """Order of the Latin squares that it was made for."""
        return self.scorer.num_values

    @property
    def config(self) -> dict[str, Any]:
        """What a record says about it."""
        return {
            "model": self.name,
            "model_sha256": self.digest,
            "provider": self.scorer.provider,
            "threads": self.threads,
        }


def load_networks(specs: Sequence[str] | None, provider: Provider, threads: int) -> list[Network]:
    """Load networks by name or path.

    Args:
        specs: names of pretrained networks or paths of ``.onnx`` files; None is every pretrained network.
        provider: where they run, see :class:`OnnxScorer`.
        threads: CPU threads of one inference.

    Raises:
        ModelFileError: a file cannot be used, or is not a network for Latin squares.
        ConfigError: a network reads candidate graphs, two networks have one name, or the number of threads is below 1.
    """
    if threads < 1:
        raise ConfigError(f"threads: expected 1 or more, got {threads}")
    networks: list[Network] = []
    for spec in pretrained_models() if specs is None else specs:
        scorer = open_network(spec, provider, threads)
        if not isinstance(scorer, OnnxScorer):
            raise ConfigError(
                f"{scorer.path}: expected a one-hot network, got one that reads candidate graphs; "
                "this benchmark measures networks of one size"
            )
        metadata = scorer.metadata
        if metadata.problem != LatinSquare.name or scorer.num_variables != scorer.num_values**2:
            raise ModelFileError(
                f"{scorer.path}: expected a network for {LatinSquare.name}, got one for {metadata.problem} "
                f"with {metadata.num_variables} variables of {metadata.num_values} values"
            )
        if scorer.name in (network.name for network in networks):
            raise ConfigError(f"two networks are named {scorer.name!r}, which mixes up their results; rename one")
        scorer.score(np.zeros((1, LatinSquare(scorer.num_values).num_candidates), dtype=np.float32))
        networks.append(Network(scorer, file_digest(scorer.path), threads))
    return networks


def file_digest(path: Path) -> str:
    """Return the first 12 hexadecimal digits of a file's SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]
