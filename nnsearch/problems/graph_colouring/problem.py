"""Graph colouring: k colours for the vertices of a graph, so that no edge joins two vertices of one colour.

Vertices count from 0 here and from 1 in DIMACS files and in what is printed; colours are 1..k.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from ortools.sat.python import cp_model

from nnsearch.errors import ConfigError, InstanceError
from nnsearch.problems.rendering import highlighted
from nnsearch.problems.streams import random_streams


@dataclass(frozen=True)
class GraphColouring:
    """A graph to colour. Variable i is the colour of vertex i.

    Args:
        name: for people.
        num_vertices: 1 or more.
        edges: pairs of distinct vertices 0..num_vertices-1.
        num_colours: k, 1 or more.
        coloured: (vertex, colour) of each vertex whose colour is given; neighbours differ.

    Raises:
        InstanceError: a number is out of range, a vertex is its own neighbour, or given colours clash.
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


def generate(
    num_vertices: int,
    num_colours: int,
    mean_degree: float,
    count: int,
    seed: int,
    coloured: float = 0.0,
) -> list[tuple[GraphColouring, list[int]]]:
    """Generate random graphs with planted colourings, and edges only between vertices of different planted colours.

    The colour classes differ in size by at most one vertex, and each set of edges between them is equally likely.
    Random graphs without a planted colouring stop being k-colourable at a mean degree of about 4.69 (k = 3), 8.90
    (k = 4) and 13.67 (k = 5); depth-first search fails most often near these or a little below, and far above them the
    planted colouring shows. Zdeborova and Krzakala, "Phase transitions in the coloring of random graphs" (Physical
    Review E 76, 2007); Krzakala and Zdeborova, "Hiding quiet solutions in random constraint satisfaction problems"
    (Physical Review Letters 102, 2009).

    Args:
        num_vertices: k or more.
        num_colours: k, 2 or more.
        mean_degree: 2 * edges / vertices, 0 or more; the number of edges is rounded.
        count: number of instances, 1 or more; a larger count begins with the same ones.
        seed: 0 or more.
        coloured: share of the vertices, 0..1, whose planted colour is given; the number is rounded.

    Returns:
        The instances, named by these arguments and their position, each with the values of its variables.

    Raises:
        ConfigError: an argument is out of range, or the classes have fewer pairs of vertices than edges are wanted.
    """
    if num_colours < 2:
        raise ConfigError(f"num_colours: expected 2 or more, got {num_colours}")
    if num_vertices < num_colours:
        raise ConfigError(f"num_vertices: expected one or more per colour, got {num_vertices} for {num_colours}")
    if not 0 <= coloured <= 1:
        raise ConfigError(f"coloured: expected a share of 0..1, got {coloured}")
    classes = np.arange(num_vertices) % num_colours + 1
    first, second = np.triu_indices(num_vertices, k=1)
    most = 2 * int((classes[first] != classes[second]).sum()) / num_vertices
    if not 0 <= mean_degree <= most:
        raise ConfigError(f"mean_degree: expected 0..{most:g} for these numbers, got {mean_degree}")
    num_edges = round(mean_degree * num_vertices / 2)
    num_given = round(coloured * num_vertices)
    planted = []
    for index, rng in enumerate(random_streams(count, seed)):
        colours = rng.permutation(classes)
        between = np.flatnonzero(colours[first] != colours[second])
        chosen = np.sort(rng.choice(between, num_edges, replace=False))
        edges = tuple(zip(first[chosen].tolist(), second[chosen].tolist(), strict=True))
        given = np.sort(rng.permutation(num_vertices)[:num_given])
        instance = GraphColouring(
            f"graph-colouring-{num_vertices}-{num_edges}-{num_colours}-{num_given}-{seed}-{index}",
            num_vertices,
            edges,
            num_colours,
            tuple(zip(given.tolist(), colours[given].tolist(), strict=True)),
        )
        planted.append((instance, colours.tolist()))
    return planted
