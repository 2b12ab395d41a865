"""Latin squares and quasigroup completion."""

from nnsearch.problems.latin_square.problem import LatinSquare, balanced_holes
from nnsearch.problems.latin_square.reading import PartialLatinSquare, read_instance, read_instances

__all__ = ["LatinSquare", "PartialLatinSquare", "balanced_holes", "read_instance", "read_instances"]
