"""The errors of nnsearch: one tree, one class per kind.

Every message says what was expected, what came, and what to do. The command line prints the message alone and
exits with code 2.
"""

from __future__ import annotations


class NNSearchError(Exception):
    """Base class of every error that nnsearch raises on purpose."""


class InstanceError(NNSearchError):
    """An instance (a file, a line or an array) is malformed."""


class ModelFileError(NNSearchError):
    """An ONNX file cannot be used: unknown, truncated, foreign, or of the wrong size."""


class ScoreError(NNSearchError):
    """A scorer returned something that cannot order values: a wrong shape, or a value that is not finite."""


class GraphError(NNSearchError):
    """A model cannot be seen as candidates and groups, or the description of it is wrong."""


class NothingToReadError(GraphError):
    """A model has no constraint that groups of candidates could show; it is for a search without a network."""


class TranslationError(NNSearchError):
    """A CpModel holds something that the depth-first CP engine cannot be given."""


class ConfigError(NNSearchError):
    """A configuration holds an unknown key, a value out of range, or two values that do not go together."""


class PoolError(NNSearchError):
    """A solution pool is malformed, empty, or does not belong to the problem."""


class HistoryError(NNSearchError):
    """A history cannot be used: damaged, foreign, locked, read-only, unreachable, full, or of a newer format."""


class CompilerError(NNSearchError):
    """What numba is to compile cannot be compiled, or cannot be loaded."""
