"""Graph colouring: k colours for the vertices of a graph, so that no edge joins two vertices of one colour.

Vertices count from 0 here and from 1 in DIMACS files and in what is printed; colours are 1..k.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ortools.sat.python import cp_model

from nnsearch.errors import InstanceError
from nnsearch.problems.rendering import highlighted


@dataclass(frozen=True)
class GraphColouring:
    """A graph to colour. Variable i is the colour of vertex i.

    Args:
        name: The name for people.
        num_vertices: The number of vertices, 1 or more.
        edges: The pairs of distinct vertices 0..num_vertices-1.
        num_colours: k, 1 or more.
        coloured: The (vertex, colour) of each vertex whose colour is given; neighbours differ.

    Raises:
        InstanceError: A number is out of range, a vertex is its own neighbour, or given colours clash.
    """

    name: str
    num_vertices: int
    edges: tuple[tuple[int, int], ...]
    num_colours: int
    coloured: tuple[tuple[int, int], ...] = ()

    problem: ClassVar[str] = "graph-colouring"

    def __post_init__(self) -> None:
        if self.num_vertices < 1:
            raise InstanceError(f"expected 1 or more vertices, got {self.num_vertices}")
        if self.num_colours < 1:
            raise InstanceError(f"expected 1 or more colours, got {self.num_colours}")
        last = self.num_vertices - 1
        for edge in self.edges:
            if edge[0] == edge[1] or min(edge) < 0 or max(edge) > last:
                raise InstanceError(f"expected edges of two vertices of 0..{last}, got {edge[0]} and {edge[1]}")
        colour_of: dict[int, int] = {}
        for vertex, colour in self.coloured:
            if not (0 <= vertex <= last and 1 <= colour <= self.num_colours):
                legal = f"a vertex 0..{last} and a colour 1..{self.num_colours}"
                raise InstanceError(f"expected {legal}, got vertex {vertex} and colour {colour}")
            if colour_of.setdefault(vertex, colour) != colour:
                got = f"the colours {colour_of[vertex]} and {colour}"
                raise InstanceError(f"expected one colour for vertex {vertex}, got {got}")
        for u, v in self.edges:
            if u in colour_of and colour_of[u] == colour_of.get(v):
                got = f"colour {colour_of[u]} for both {u} and {v}"
                raise InstanceError(f"expected different given colours for the two vertices of an edge, got {got}")

    def build(self) -> tuple[cp_model.CpModel, list[cp_model.IntVar]]:
        """Build the CP-SAT model: the vertices of each edge differ.

        Returns:
            The model, and its variables, one per vertex.
        """
        model = cp_model.CpModel()
        model.name = f"graph-colouring-{self.num_vertices}-{self.num_colours}"
        colour_of = dict(self.coloured)
        colours = [
            model.new_int_var(colour_of.get(v, 1), colour_of.get(v, self.num_colours), f"x[{v}]")
            for v in range(self.num_vertices)
        ]
        for u, v in self.edges:
            model.add(colours[u] != colours[v])
        return model, colours

    def is_solution(self, values: Sequence[int]) -> bool:
        """Tell whether the values, a colour for each vertex, are a solution. Independent of any solver."""
        return (
            len(values) == self.num_vertices
            and all(1 <= colour <= self.num_colours for colour in values)
            and all(values[u] != values[v] for u, v in self.edges)
            and all(values[vertex] == colour for vertex, colour in self.coloured)
        )

    def render(self, values: Sequence[int] | None, colour: bool) -> str:
        """Return the vertices of each colour on a line, counted from 1; see :class:`nnsearch.problems.Problem`."""
        given = dict(self.coloured)
        colour_of = given if values is None else dict(enumerate(values))
        lines = []
        for chosen in range(1, self.num_colours + 1):
            vertices = [v for v in sorted(colour_of) if colour_of[v] == chosen]
            words = [str(v + 1) if v in given or not colour else highlighted(str(v + 1)) for v in vertices]
            lines.append(" ".join([f"colour {chosen}:", *words]))
        return "\n".join(lines)

    def describe(self) -> str:
        """Return the size of the graph and the number of colours."""
        given = f", {len(self.coloured)} vertices coloured" if self.coloured else ""
        return f"{self.num_vertices} vertices, {len(self.edges)} edges, {self.num_colours} colours{given}"
