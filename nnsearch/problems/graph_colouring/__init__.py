"""Graph colouring with a given number of colours."""

from nnsearch.problems.graph_colouring.problem import GraphColouring, generate
from nnsearch.problems.graph_colouring.reading import read_graph

__all__ = ["GraphColouring", "generate", "read_graph"]
