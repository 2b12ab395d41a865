"""Why CP-SAT calls a model invalid."""

from __future__ import annotations

from ortools.sat.python import cp_model

from nnsearch.errors import NNSearchError


def reason_of_refusal(model: cp_model.CpModel) -> str:
    """Return CP-SAT's reason on one line; empty if the model is valid."""
    return " ".join(model.validate().split())


def check_accepted(status: cp_model.CpSolverStatus, model: cp_model.CpModel) -> None:
    """Raise an ``NNSearchError`` if CP-SAT's answer was that the model is invalid."""
    if status == cp_model.MODEL_INVALID:
        reason = reason_of_refusal(model) or "a hint or a parameter is invalid"
        raise NNSearchError(f"CP-SAT refuses the model: {reason}")
