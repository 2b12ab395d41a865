"""Knowledge from a stronger propagator than the search runs: which candidates does probing refute?"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnsearch.model.graph import AT_MOST_ONE, EXACTLY_ONE, CandidateGraph

BoolArray = npt.NDArray[np.bool_]


def singleton_consistent(graph: CandidateGraph, alive: BoolArray, chunk: int = 64) -> BoolArray:
    """Return bool[N], False where assigning the candidate and propagating singles wipes out a group.

    The state, bool[N], is expected at the fixpoint of :meth:`nnsearch.model.graph.CandidateGraph.propagate`. Each open
    candidate is probed on its own (Debruyne and Bessiere 1997, singleton consistency, one pass), ``chunk`` of them
    together, as one disjoint union. Sound: what it removes is in no solution of the state.
    """
    result = alive.copy()
    small, origin = graph.restrict(alive & (graph.count(alive) > 1)[graph.variable])
    kept = small.group_kind <= AT_MOST_ONE
    edges = kept[small.edge_group]
    edge_candidate, edge_group = small.edge_candidate[edges], small.edge_group[edges]
    # A group of bound variables only is empty here without being wiped out.
    occupied = np.bincount(edge_group, minlength=small.num_groups) > 0
    exactly_one = (small.group_kind == EXACTLY_ONE) & occupied & ~_satisfied(graph, alive)
    for start in range(0, len(origin), chunk):
        probes = np.arange(start, min(start + chunk, len(origin)))
        wiped = _probe(small.num_candidates, edge_candidate, edge_group, exactly_one, probes)
        result[origin[probes[wiped]]] = False
    return result


def _satisfied(graph: CandidateGraph, alive: BoolArray) -> BoolArray:
    """Return bool[G], True where a group holds the candidate of a bound variable."""
    held = (alive & (graph.count(alive) == 1)[graph.variable])[graph.edge_candidate]
    satisfied = np.zeros(graph.num_groups, dtype=bool)
    satisfied[graph.edge_group[held]] = True
    return satisfied


def _probe(
    num_candidates: int,
    edge_candidate: npt.NDArray[np.int64],
    edge_group: npt.NDArray[np.int64],
    exactly_one: BoolArray,
    probes: npt.NDArray[np.int64],
) -> BoolArray:
    """Return bool[P], True where a probe ends in a wipe-out; the P copies of the graph are propagated at once."""
    num_probes, num_groups = len(probes), len(exactly_one)
    copies = np.arange(num_probes)[:, None]
    candidates = (edge_candidate + copies * num_candidates).ravel()
    groups = (edge_group + copies * num_groups).ravel()
    must_hold = np.tile(exactly_one, num_probes)
    alive = np.ones(num_probes * num_candidates, dtype=bool)
    done = np.zeros_like(alive)
    forced = np.zeros_like(alive)
    forced[probes + copies[:, 0] * num_candidates] = True
    wiped = np.zeros(num_probes, dtype=bool)
    while True:
        done |= forced
        holds = forced[candidates]
        held = np.bincount(groups[holds], minlength=num_probes * num_groups)
        alive[candidates[held[groups] > holds]] = False  # of two that hold in one group, neither survives
        live = alive[candidates]
        count = np.bincount(groups[live], minlength=num_probes * num_groups)
        wiped |= (must_hold & (count == 0)).reshape(num_probes, num_groups).any(axis=1)
        live &= ~np.repeat(wiped, len(edge_candidate)) if wiped.any() else True
        forced = np.zeros_like(alive)
        forced[candidates[live & (must_hold & (count == 1))[groups]]] = True
        forced &= ~done
        if not forced.any():
            return wiped
