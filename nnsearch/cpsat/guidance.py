"""Hints and a search strategy for CP-SAT, in the order of a network.

CP-SAT gives Python no hook at its search nodes, so the network is asked once, at the root, before the search. For
inference at every node use :class:`nnsearch.cp.ValuePhase`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
from ortools.sat.python import cp_model

from nnsearch.encoding.candidate_graph import encode
from nnsearch.encoding.fitting import check_no_negation, first_value_of
from nnsearch.encoding.one_hot import one_hot
from nnsearch.errors import NNSearchError
from nnsearch.model.graph import CandidateGraph
from nnsearch.result import InferenceCount
from nnsearch.scorers.onnx import is_graph_scorer, load_scorer
from nnsearch.scorers.scorer import AnyScorer, GraphScorer, Scorer, ask, ask_graph


def guide(
    model: cp_model.CpModel,
    variables: Sequence[cp_model.IntVar],
    scorer: str | Path | AnyScorer,
    *,
    hints: bool = True,
    strategy: bool = True,
    first_value: int | None = None,
) -> InferenceCount:
    """Add learned guidance to a model, before solving it as usual.

    Two lines plug it into an existing program::

        nnsearch.cpsat.guide(model, variables, "pls-10-full")
        solver.parameters.search_branching = cp_model.FIXED_SEARCH

    The strategy branches on literals "variable = value", best-scored pair first, and sets them true. Workers with
    ``fixed`` search follow it; the other workers of a portfolio use the hints. Solutions and proofs stay exact.
    CP-SAT's presolve may keep another one of several symmetric solutions than the network prefers;
    ``solver.parameters.symmetry_level = 0`` forbids it.

    Args:
        model: the model; hints on the variables, one literal per open pair, and a strategy are added to it.
        variables: the variables to guide; a one-hot network's own, in its order.
        scorer: name or path of a network, or a scorer; a network on the candidate graph reads the whole model.
        hints: hint every open variable at its best-scored value; hints that are there already are kept.
        strategy: add the decision strategy over literals.
        first_value: the value with index 0; None takes the smallest value of all domains.

    Returns:
        The cost of the inference.

    Raises:
        ModelFileError: the network was made for another number of variables or values, or for another model.
        GraphError: the network reads graphs, and the model has nothing that one could hold.
        ScoreError: the scores have another shape, or one is not finite.
        NNSearchError: a variable has an empty domain, or is a negated Boolean.
    """
    loaded = load_scorer(scorer)
    check_no_negation([variable.index for variable in variables])
    bounds = [list(model.proto.variables[variable.index].domain) for variable in variables]
    for variable, intervals in zip(variables, bounds, strict=True):
        if not intervals or intervals[-1] < intervals[0]:
            raise NNSearchError(f"variable {variable.name}: expected at least one value, its domain is empty")
    inference = InferenceCount()
    if is_graph_scorer(loaded):
        open_pairs = _graph_pairs(model, [variable.index for variable in variables], loaded, inference)
    else:
        open_pairs = _one_hot_pairs(bounds, cast(Scorer, loaded), first_value, inference)
    open_pairs.sort(key=lambda pair: -pair[0])
    if hints:
        hinted = set(model.proto.solution_hint.vars)
        for _, i, value in open_pairs:
            if variables[i].index not in hinted:
                hinted.add(variables[i].index)
                model.add_hint(variables[i], value)
    if strategy:
        literals = []
        for _, i, value in open_pairs:
            literal = model.new_bool_var(f"{variables[i].name}={value}")
            model.add(variables[i] == value).only_enforce_if(literal)
            model.add(variables[i] != value).only_enforce_if(~literal)
            literals.append(literal)
        model.add_decision_strategy(literals, cp_model.CHOOSE_FIRST, cp_model.SELECT_MAX_VALUE)
    return inference


Pair = tuple[float, int, int]
"""(score, index among the variables given, value)"""


def _one_hot_pairs(
    bounds: list[list[int]], scorer: Scorer, first_value: int | None, inference: InferenceCount
) -> list[Pair]:
    first_value = first_value_of(scorer, [(intervals[0], intervals[-1]) for intervals in bounds], first_value)
    num_values = scorer.num_values
    domains = [_values(intervals) for intervals in bounds]
    assigned = [values[0] if len(values) == 1 else first_value - 1 for values in domains]
    state = one_hot(np.array([assigned]), num_values, first_value)
    scores = ask(scorer, state, inference).reshape(len(domains), num_values)
    return [
        (float(scores[i, value - first_value]), i, value)
        for i, values in enumerate(domains)
        if len(values) > 1
        for value in values
    ]


def _graph_pairs(
    model: cp_model.CpModel, indices: list[int], scorer: GraphScorer, inference: InferenceCount
) -> list[Pair]:
    """Score what the singles of the groups leave; what they rule out is left to CP-SAT's presolve."""
    whole = CandidateGraph.from_model(model)
    graph = scorer.prepare(whole)
    state = encode(graph, whole.propagate(np.ones(whole.num_candidates, dtype=bool)))
    scores = ask_graph(scorer, state, inference).tolist()
    position = {index: i for i, index in enumerate(indices)}
    pairs = zip(scores, graph.variable[state.candidate].tolist(), graph.values[state.candidate].tolist(), strict=True)
    return [(score, position[variable], value) for score, variable, value in pairs if variable in position]


def _values(intervals: list[int]) -> list[int]:
    return [v for low, high in zip(intervals[::2], intervals[1::2], strict=True) for v in range(low, high + 1)]
