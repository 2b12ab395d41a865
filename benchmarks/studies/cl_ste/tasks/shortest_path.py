"""Shortest paths in 4 x 4 grids with missing edges (Xu, Zhang, Friedman, Liang and Van den Broeck 2018)."""

from __future__ import annotations

import itertools
from collections import deque
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.studies.cl_ste.tasks.config import TaskConfig
from training.losses.cnf import Cnf
from training.losses.cnf_ste import Binariser, binarise
from training.networks.mlp import MLP

SIDE = 4
NODES = SIDE * SIDE
EDGES = tuple((node, node + 1) for node in range(NODES) if node % SIDE < SIDE - 1) + tuple(
    (node, node + SIDE) for node in range(NODES - SIDE)
)
_INCIDENT = tuple(tuple(place for place, edge in enumerate(EDGES) if node in edge) for node in range(NODES))
_SMALLEST_COMPONENT = 5
_PAIRS = 30  # of ends in one grid


@dataclass(frozen=True)
class PathTask:
    """A :class:`benchmarks.studies.cl_ste.tasks.tasks.LogicTask` with labels; the clauses are about the ends of a path.

    Atoms: "node is an end" (16), "edge is on the path" (24), and with ``data.degrees`` "edge is missing" (24). Grids
    are float32[S, 40], edges that are there and nodes that are ends; paths float32[S, 24], edges of the label. No new
    grid has the edges of a training grid (but by chance).
    """

    config: TaskConfig
    clauses: Cnf
    grids: Tensor
    paths: Tensor
    test_grids: Tensor
    test_paths: Tensor
    new_grids: Tensor
    new_paths: Tensor

    @property
    def num_examples(self) -> int:
        """S."""
        return len(self.grids)

    def network(self) -> nn.Module:
        """Return a new network."""
        return MLP(len(EDGES) + NODES, self.config.train.hidden, len(EDGES))

    def inputs(self, index: Tensor) -> Tensor:
        """Return float32[B, 40]."""
        return self.grids[index]

    def facts(self, index: Tensor) -> Tensor:
        """Return float32[B, n]: ends and missing edges are known, paths are not."""
        there, ends = torch.split(self.grids[index], [len(EDGES), NODES], dim=1)
        known = [2 * ends - 1, torch.zeros_like(there)]
        if self.config.data.degrees:
            known.append(1 - 2 * there)
        return torch.cat(known, dim=1)

    def atoms(self, outputs: Tensor) -> Tensor:
        """Return float32[B, n] from logits, float32[B, 24]."""
        form = cast(Binariser, self.config.loss.binariser)
        values = binarise(torch.sigmoid(outputs) if form == "probability" else outputs, form)
        return functional.pad(values, (NODES, self.clauses.num_atoms - NODES - len(EDGES)))

    def label_loss(self, outputs: Tensor, index: Tensor) -> Tensor:
        """Return the mean cross-entropy of the edges."""
        return functional.binary_cross_entropy_with_logits(outputs, self.paths[index])

    def measure(self, network: nn.Module) -> dict[str, float]:
        """Return shares of held-out pairs of ends.

        ``exact``: the edges with logits of at least 0 are those of the label, the published measure; ``shortest``: they
        are a shortest path, perhaps another one; ``consistent``: they satisfy the clauses; ``exact_new_grid``: as
        ``exact``, on grids that no training example has.
        """
        chosen = network(self.test_grids) >= 0
        same_length = chosen.sum(1) == self.test_paths.sum(1)
        paths = [_is_path(grid, edges) for grid, edges in zip(self.test_grids.tolist(), chosen.tolist(), strict=True)]
        return {
            "exact": _share(_equal(chosen, self.test_paths)),
            "shortest": _share(same_length & torch.tensor(paths)),
            "consistent": float(self.clauses.satisfied(self._atoms_of_test(chosen).numpy()).all(1).mean()),
            "exact_new_grid": _share(_equal(network(self.new_grids) >= 0, self.new_paths)),
        }

    def _atoms_of_test(self, chosen: Tensor) -> Tensor:
        """Return bool[T, n], all atoms of held-out grids and chosen edges."""
        there, ends = torch.split(self.test_grids.bool(), [len(EDGES), NODES], dim=1)
        return torch.cat([ends, chosen, *([~there] if self.config.data.degrees else [])], dim=1)


def build(config: TaskConfig, seed: int) -> PathTask:
    """Return the task on new grids.

    As in the original data, a third of the 24 edges is missing, both ends are in a component of at least five nodes,
    and about thirty pairs of ends are drawn in each grid before examples are split: most grids are on both sides, with
    other ends. That is the published measure; grids of their own are measured beside it. The label is the shortest path
    that breadth-first search finds first.
    """
    rng = np.random.default_rng([seed, 4])
    grids, paths = _draw(rng, config.data.examples + config.data.test)
    order = torch.from_numpy(rng.permutation(len(grids)))
    grids, paths = grids[order], paths[order]
    held = config.data.test
    return PathTask(
        config,
        path_clauses(config.data.degrees),
        grids[held:],
        paths[held:],
        grids[:held],
        paths[:held],
        *_draw(rng, held),
    )


def _draw(rng: np.random.Generator, count: int) -> tuple[Tensor, Tensor]:
    """Return examples, float32[count, 40] and float32[count, 24], those of one grid one after the other."""
    grids: list[list[bool]] = []
    paths: list[list[bool]] = []
    while len(grids) < count:
        there = (rng.permutation(len(EDGES)) >= len(EDGES) // 3).tolist()
        pairs = [
            (first, second, path)
            for first, second in itertools.combinations(range(NODES), 2)
            for path, reached in [_shortest(there, first, second)]
            if path and reached >= _SMALLEST_COMPONENT
        ]
        for place in rng.permutation(len(pairs))[:_PAIRS].tolist():
            first, second, path = pairs[place]
            grids.append([*there, *(node in (first, second) for node in range(NODES))])
            paths.append([edge in path for edge in range(len(EDGES))])
    return torch.tensor(grids[:count], dtype=torch.float32), torch.tensor(paths[:count], dtype=torch.float32)


def path_clauses(degrees: bool) -> Cnf:
    """Return the knowledge about paths.

    The 68 clauses of the authors' code: an end has an edge of the path, and no two. With ``degrees`` also: a node that
    is no end has no edge of the path or two, and missing edges are not on it.
    """
    rules: list[list[int]] = []
    edge = [NODES + place + 1 for place in range(len(EDGES))]
    for node, places in enumerate(_INCIDENT):
        own = [edge[place] for place in places]
        rules.append([-(node + 1), *own])
        rules += [[-(node + 1), -one, -other] for one, other in itertools.combinations(own, 2)]
        if degrees:
            rules += [[node + 1, -one, *(other for other in own if other != one)] for one in own]
            rules += [[node + 1, *(-one for one in three)] for three in itertools.combinations(own, 3)]
    missing = len(EDGES) if degrees else 0
    rules += [[-(NODES + len(EDGES) + place + 1), -edge[place]] for place in range(missing)]
    return Cnf.from_clauses(NODES + len(EDGES) + missing, rules)


def _shortest(there: list[bool], source: int, target: int) -> tuple[set[int], int]:
    """Return the edges of a shortest path (none where there is none), and the size of the source's component."""
    came_by: dict[int, int | None] = {source: None}
    waiting = deque([source])
    while waiting:
        node = waiting.popleft()
        for place in _INCIDENT[node]:
            other = sum(EDGES[place]) - node
            if there[place] and other not in came_by:
                came_by[other] = place
                waiting.append(other)
    path: set[int] = set()
    node = target
    while (by := came_by.get(node)) is not None:
        path.add(by)
        node = sum(EDGES[by]) - node
    return path, len(came_by)


def _is_path(grid: list[float], chosen: list[bool]) -> bool:
    """Tell whether chosen edges are there and join the ends as one simple path."""
    ends = [node for node in range(NODES) if grid[len(EDGES) + node]]
    if any(on and not grid[place] for place, on in enumerate(chosen)):
        return False
    path, _ = _shortest(chosen, ends[0], ends[1])
    return bool(path) and len(path) == sum(chosen)


def _equal(chosen: Tensor, paths: Tensor) -> Tensor:
    """Return bool[T], whether all edges are chosen as in the labels."""
    return (chosen == (paths > 0)).all(1)


def _share(right: Tensor) -> float:
    return float(right.float().mean())
