"""Graph colouring with a given number of colours."""

from nnsearch.problems.graph_colouring.generating import generate
from nnsearch.problems.graph_colouring.problem import GraphColouring
from nnsearch.problems.graph_colouring.reading import read_dimacs_graph
from nnsearch.problems.problem import ProblemFamily

__all__ = ["FAMILY", "GraphColouring", "generate"]

FAMILY = ProblemFamily(
    name=GraphColouring.problem,
    endings=(".col",),
    read=read_dimacs_graph,
    takes_colours=True,
    generate=generate,
    sizes={"VERTICES": int, "COLOURS": int, "DEGREE": float},
)
