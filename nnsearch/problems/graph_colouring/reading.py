"""Reader of graphs to colour: DIMACS files."""

from __future__ import annotations

from pathlib import Path

from nnsearch.problems.files.source import Spec, error, integer, located, read_text, shown
from nnsearch.problems.graph_colouring.problem import GraphColouring


def read_dimacs_graph(source: Spec, num_colours: int) -> dict[str, GraphColouring]:
    """Return the graph in a ``.col`` file, by the stem of the file; see :mod:`nnsearch.problems` for the format.

    Args:
        source: The file.
        num_colours: k, 1 or more.

    Raises:
        InstanceError: The file cannot be read or is malformed, or the number of colours is out of range.
    """
    path = source.path
    num_vertices = 0  # 0 = no problem line yet
    edges: dict[tuple[int, int], None] = {}  # in the order of the file
    for line, content in enumerate(read_text(path).split("\n"), start=1):
        words = content.split()
        if words[:1] == ["p"]:
            if num_vertices:
                raise error(path, line, f"expected one problem line, got a second: {shown(content.strip())}")
            num_vertices = _num_vertices(path, line, words)
        elif words[:1] == ["e"]:
            if not num_vertices:
                raise error(path, line, "expected a line 'p edge VERTICES EDGES' before the first edge, got none")
            edges[_edge(path, line, words, num_vertices)] = None
        elif words and words[0] not in ("c", "n", "d", "v", "x"):
            raise error(path, line, f"expected a line 'e U V' or a comment 'c ...', got {shown(content.strip())}")
    if not num_vertices:
        raise error(path, None, "expected a line 'p edge VERTICES EDGES', got none")
    with located(path, None):
        return {source.stem: GraphColouring(source.stem, num_vertices, tuple(edges), num_colours)}


def _num_vertices(path: Path, line: int, words: list[str]) -> int:
    numbers = [integer(word) for word in words[2:]]
    # Files in the wild also have "col" or "edges" for "edge".
    if len(numbers) != 2 or words[1] not in ("edge", "edges", "col"):
        raise error(path, line, f"expected 'p edge VERTICES EDGES', got {shown(' '.join(words))}")
    num_vertices = numbers[0]
    if not isinstance(num_vertices, int) or num_vertices < 1:
        raise error(path, line, f"expected the number of vertices to be 1 or more, got {shown(words[2])}")
    return num_vertices


def _edge(path: Path, line: int, words: list[str], num_vertices: int) -> tuple[int, int]:
    """Return the edge, smaller vertex first, counted from 0."""
    ends = [vertex for word in words[1:] if isinstance(vertex := integer(word), int)]
    if len(words) != 3 or len(ends) != 2:
        raise error(path, line, f"expected 'e U V', got {shown(' '.join(words))}")
    for vertex in ends:
        if not 1 <= vertex <= num_vertices:
            raise error(path, line, f"expected vertices 1..{num_vertices}, got {vertex}")
    if ends[0] == ends[1]:
        raise error(path, line, f"expected two vertices, got an edge from {ends[0]} to itself, which has no colouring")
    return min(ends) - 1, max(ends) - 1
