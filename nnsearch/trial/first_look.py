"""What a scorer can read in a model, and what it says at the beginning."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnsearch.errors import ModelFileError, NothingToReadError
from nnsearch.model.prepared import PreparedModel
from nnsearch.scorers.network import Network

_EQUAL = 1e-6


@dataclass(frozen=True)
class FirstLook:
    """What a scorer makes of a model before any search.

    Attributes:
        name: The scorer's name.
        says: One line.
        usable: Whether it reads anything of the model, so that its order of values may help.
    """

    name: str
    says: str
    usable: bool


def first_look(model: PreparedModel, scorer: Network) -> FirstLook:
    """Ask a scorer for the values of all variables, with nothing decided yet.

    Raises:
        GraphError: The model has no variable with few values.
        ScoreError: Its scores are wrong.
    """
    graph = model.graph()
    try:
        scores = scorer.prepare(graph).advise(np.ones((1, graph.num_candidates), dtype=np.bool_)).scores[0]
    except NothingToReadError:
        return FirstLook(scorer.name, "has nothing to read in this model", False)
    except ModelFileError as error:
        return FirstLook(scorer.name, str(error).removeprefix(f"{scorer.name}: "), False)
    sizes = np.diff(graph.offset)
    starts = graph.offset[:-1][sizes > 0]
    if not len(starts):
        return FirstLook(scorer.name, "has no variable with few values to score", False)
    known = np.where(np.isfinite(scores), scores, 0.0)
    spread = np.maximum.reduceat(known, starts) - np.minimum.reduceat(known, starts)
    differing, variables = int((spread > _EQUAL).sum()), int((sizes > 1).sum())
    if not differing:
        return FirstLook(
            scorer.name, f"sees {variables} variables, and all of their values alike at the beginning", True
        )
    return FirstLook(scorer.name, f"prefers a value of {differing} of {variables} variables", True)
