"""Random graphs with planted colourings."""

from __future__ import annotations

import numpy as np

from nnsearch.errors import ConfigError
from nnsearch.problems.graph_colouring.problem import GraphColouring
from nnsearch.problems.streams import random_streams


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
    (Physical Review Letters 102, 2009). See also :class:`nnsearch.problems.ProblemFamily`.

    Args:
        num_vertices: The number of vertices, k or more.
        num_colours: k, 2 or more.
        mean_degree: 2 * edges / vertices, 0 or more; the number of edges is rounded.
        count: The number of instances, 1 or more.
        seed: The seed, 0 or more.
        coloured: The share of the vertices, 0..1, whose planted colour is given; the number is rounded.

    Raises:
        ConfigError: An argument is out of range, or the classes have fewer pairs of vertices than edges are wanted.
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
