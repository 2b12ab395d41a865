"""Quasigroups with holes of uniform Latin squares that no training pool was sampled with."""

from __future__ import annotations

from benchmarks.instances.squares import fresh_squares
from nnsearch.problems import PartialLatinSquare, latin_square
from nnsearch.problems.latin_square.generating import Pattern


def generate(
    order: int, holes: float, count: int, seed: int, pattern: Pattern = "balanced"
) -> list[PartialLatinSquare]:
    """Generate instances of :func:`fresh_squares`, see :func:`nnsearch.problems.latin_square.generate`."""
    return [one for one, _ in latin_square.generate(order, holes, count, seed, fresh_squares, pattern)]
