"""Circuits and routes: arcs of a graph that are taken or not."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from ortools.constraint_solver import pywrapcp

from nnsearch.cp.constraints.enforcement import Enforcement
from nnsearch.cp.constraints.engine_model import EngineModel

Arcs = dict[tuple[int, int], list[pywrapcp.IntVar]]
"""(tail, head) -> the literals of the arcs between them."""


def add_circuit(model: EngineModel, circuit: Any, enforcement: Enforcement) -> None:
    """Add "the arcs taken are one circuit, and a loop at every node that it leaves out"."""
    arcs = _arcs(model, circuit)
    number = {node: position for position, node in enumerate(sorted({node for arc in arcs for node in arc}))}
    if number:
        renumbered = {(number[tail], number[head]): literals for (tail, head), literals in arcs.items()}
        model.solver.Add(model.solver.SubCircuit(_nexts(model, renumbered, len(number), enforcement)))


def add_routes(model: EngineModel, routes: Any, enforcement: Enforcement) -> None:
    """Add "the arcs taken are circuits that meet in node 0 only, and a loop at every node left out"."""
    solver = model.solver
    arcs = _arcs(model, routes)
    depot = max((node for arc in arcs for node in arc), default=0)
    if not depot:
        return
    # The other nodes count from 0, and the depot is where a path that leaves them ends.
    renumbered = {
        ((tail - 1) % (depot + 1), (head - 1) % (depot + 1)): literals for (tail, head), literals in arcs.items()
    }
    nexts = _nexts(
        model, {arc: literals for arc, literals in renumbered.items() if arc[0] != depot}, depot, enforcement
    )
    moves = [solver.IsDifferentCstVar(successor, node) for node, successor in enumerate(nexts)]
    solver.Add(solver.TreeNoCycle(nexts, moves, lambda node: node >= depot))
    for node in range(depot):
        entering = [literal for (_, head), literals in renumbered.items() if head == node for literal in literals]
        enforcement.require(solver.IsEqualCstVar(_count(model, entering), 1))
    # Implied, but the engine does not see it before all arcs are known.
    starts = [literal for (tail, _), literals in renumbered.items() if tail == depot for literal in literals]
    ends = [literal for (_, head), literals in renumbered.items() if head == depot for literal in literals]
    enforcement.require(solver.IsEqualVar(_count(model, starts), _count(model, ends)))


def _count(model: EngineModel, literals: list[pywrapcp.IntVar]) -> pywrapcp.IntVar:
    return model.solver.Sum(literals).Var() if literals else model.solver.IntConst(0)


def _arcs(model: EngineModel, graph: Any) -> Arcs:
    arcs: Arcs = defaultdict(list)
    for tail, head, literal in zip(graph.tails, graph.heads, model.literals(graph.literals), strict=True):
        arcs[tail, head].append(literal)
    return dict(arcs)


def _nexts(model: EngineModel, arcs: Arcs, count: int, enforcement: Enforcement) -> list[pywrapcp.IntVar]:
    """Return, for the nodes 0 to ``count - 1``, the head of the one arc taken; the node itself without enforcement."""
    solver = model.solver
    heads: dict[int, set[int]] = {node: {node} for node in range(count)}
    for tail, head in arcs:
        heads[tail].add(head)
    nexts = [solver.IntVar(sorted(heads[node])) for node in range(count)]
    for node, successor in enumerate(nexts):
        for head in heads[node]:
            # The literals of several arcs between two nodes exclude each other, because they count as one 0/1 variable.
            taken = enforcement.shadow(_count(model, arcs.get((node, head), [])), int(head == node))
            solver.Add(solver.IsEqualCstVar(successor, head) == taken)
    return nexts
