"""Hints and a search strategy for CP-SAT, in the order of a network.

CP-SAT gives Python no hook at its search nodes, so the network is asked once, at the root, before the search. For
inference at every node use :class:`nnsearch.cp.ValuePhase`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from ortools.sat.python import cp_model

from nnsearch.cpsat.at_root.value_literals import value_literal
from nnsearch.encoding.encoder import FloatArray
from nnsearch.encoding.one_hot import OneHot
from nnsearch.errors import NNSearchError
from nnsearch.model.graph import BoolArray, CandidateGraph
from nnsearch.model.variables import check_no_negation
from nnsearch.result import InferenceCount
from nnsearch.scorers.onnx import load_scorer
from nnsearch.scorers.scorer import Scorer


def guide(
    model: cp_model.CpModel,
    variables: Sequence[cp_model.IntVar],
    scorer: str | Path | Scorer,
    *,
    hints: bool = True,
    strategy: bool = True,
) -> InferenceCount:
    """Add learned guidance to a model, before solving it as usual.

    Two lines plug it into an existing program:

    ```python
    nnsearch.cpsat.guide(model, variables, "pls-10-full")
    solver.parameters.search_branching = cp_model.FIXED_SEARCH
    ```

    The strategy branches on literals "variable = value", best-scored pair first, and sets them true; a Boolean is its
    own literal. Where the scores prefer no value of any variable, there is no strategy. Workers with ``fixed`` search
    follow it; the other workers of a portfolio use the hints. Solutions and proofs stay exact.
    CP-SAT's presolve may keep another one of several symmetric solutions than the network prefers;
    ``solver.parameters.symmetry_level = 0`` forbids it.

    Args:
        model: the model; hints on the variables, one literal per open pair, and a strategy are added to it.
        variables: the variables to guide; a one-hot network's own, in its order.
        scorer: name or path of a network, or a scorer; a network on the candidate graph reads the whole model.
        hints: hint every open variable at its best-scored value; hints that are there already are kept.
        strategy: add the decision strategy over literals.

    Returns:
        The cost of the inference.

    Raises:
        ModelFileError: the network was made for another number of variables or values, or for another model.
        GraphError: the network reads graphs, and the model has nothing that one could hold.
        ScoreError: the scores have another shape, or one is not finite.
        NNSearchError: a variable has an empty domain, or is a negated Boolean.
    """
    asked = ask_at_root(model, variables, scorer)
    position = {variable.index: i for i, variable in enumerate(variables)}
    scored = np.flatnonzero(asked.scores > -np.inf)
    indices, values = asked.graph.variable[scored].tolist(), asked.graph.values[scored].tolist()
    open_pairs = [
        (s, position[v], value) for s, v, value in zip(asked.scores[scored].tolist(), indices, values, strict=True)
    ]
    open_pairs.sort(key=lambda pair: -pair[0])
    if hints:
        hinted = set(model.proto.solution_hint.vars)
        for _, i, value in open_pairs:
            if variables[i].index not in hinted:
                hinted.add(variables[i].index)
                model.add_hint(variables[i], value)
    if strategy and _is_preference(open_pairs):
        literals: dict[tuple[int, int], cp_model.IntVar] = {}
        for _, i, value in open_pairs:
            if list(model.proto.variables[variables[i].index].domain) != [0, 1] or (i, 1 - value) not in literals:
                literals[i, value] = value_literal(model, variables[i], value)
        model.add_decision_strategy(list(literals.values()), cp_model.CHOOSE_FIRST, cp_model.SELECT_MAX_VALUE)
    return asked.inference


class AskedAtRoot(NamedTuple):
    """What a scorer says of a model before a search.

    Attributes:
        graph: the model's N candidates.
        asked: bool[N], the possible values of those variables that were asked about and have several.
        scores: float32[N]; ``-inf`` elsewhere, and where the scorer says nothing.
        inference: what it cost.
    """

    graph: CandidateGraph
    asked: BoolArray
    scores: FloatArray
    inference: InferenceCount


def ask_at_root(
    model: cp_model.CpModel, variables: Sequence[cp_model.IntVar], scorer: str | Path | Scorer
) -> AskedAtRoot:
    """Ask a scorer once about some variables of a model; for arguments and errors see :func:`guide`."""
    loaded = load_scorer(scorer)
    indices = [variable.index for variable in variables]
    check_no_negation(indices)
    for variable in variables:
        domain = list(model.proto.variables[variable.index].domain)
        if not domain or domain[-1] < domain[0]:
            raise NNSearchError(f"variable {variable.name}: expected at least one value, its domain is empty")
    inference = InferenceCount()
    graph = CandidateGraph.from_model(model)
    alive = np.ones(graph.num_candidates, dtype=bool)
    if not isinstance(loaded.encoder, OneHot):  # those learned from what is assigned, not from what follows of it
        alive = graph.propagate(alive)  # what the singles of the groups rule out is left to CP-SAT's presolve
    scores = loaded.prepare(graph, indices).score(alive, inference)
    wanted = np.zeros(graph.num_variables, dtype=bool)
    wanted[indices] = True
    asked = alive & (wanted & (graph.count(alive) > 1))[graph.variable]
    return AskedAtRoot(graph, asked, np.where(asked, scores, np.float32(-np.inf)), inference)


def _is_preference(open_pairs: Sequence[tuple[float, int, int]]) -> bool:
    """Tell whether the scores prefer some value of a variable to another; else their order is one of chance."""
    best: dict[int, float] = {}
    return any(best.setdefault(i, score) > score for score, i, _ in open_pairs)
