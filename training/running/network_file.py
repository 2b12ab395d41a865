"""A network by its file: what another process can open, because an ONNX Runtime session cannot be sent there."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from nnsearch.errors import ModelFileError
from nnsearch.inference.providers import Provider
from nnsearch.scorers.onnx import OnnxScorer
from training.running.fan_out import Needs


@dataclass(frozen=True)
class NetworkFile:
    """A network by its absolute path, the same on every machine, and its digest; the provider is not ``auto``."""

    path: Path
    digest: str
    provider: Provider
    threads: int = 1

    @classmethod
    def of(cls, scorer: OnnxScorer, threads: int = 1) -> NetworkFile:
        """Return the file of an open network, with the provider that is active."""
        # What was found on this machine is asked for on the others, so that all results are of one kind.
        provider = cast(Provider, scorer.provider.removesuffix("ExecutionProvider").lower())
        return cls(scorer.path.resolve(), file_digest(scorer.path), provider, threads)

    @property
    def needs(self) -> Needs:
        """What a task that asks it, and does nothing else at the same time, needs of a machine."""
        return Needs(self.threads, gpus=int(self.provider != "cpu"))

    def open(self) -> OnnxScorer:
        """Open the network, once in a process.

        Raises:
            ModelFileError: the file is not there, or is another one.
        """
        return _open(self)


@functools.cache
def _open(file: NetworkFile) -> OnnxScorer:
    scorer = OnnxScorer(file.path, file.provider, file.threads)
    if file_digest(file.path) != file.digest:
        raise ModelFileError(f"{file.path}: expected the same file on every machine, got another network on this one")
    return scorer


def file_digest(path: Path) -> str:
    """Return the first 12 hexadecimal digits of a file's SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]
