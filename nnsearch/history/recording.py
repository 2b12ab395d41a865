"""What is kept of a solve."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

import numpy as np
from google.protobuf import text_format
from google.protobuf.message import DecodeError
from ortools.sat import cp_model_pb2
from ortools.sat.python import cp_model
from ortools.sat.python import cp_model_helper as cmh

from nnsearch.errors import HistoryError
from nnsearch.history.past_solve import PastSolution, PastSolve
from nnsearch.model.objective import is_constant
from nnsearch.model.prepared import PreparedModel
from nnsearch.result import Status


def names_of(model: PreparedModel) -> tuple[str, ...]:
    """Return V names of variables, ``""`` where there is none."""
    return tuple(variable.name for variable in model.proto.variables)


def bytes_of(model: PreparedModel) -> bytes:
    """Return the model as it is stored: without its hint, which is no part of it."""
    proto = model.proto
    if proto.HasField("solution_hint"):
        proto = type(proto)()
        proto.CopyFrom(model.proto)
        proto.ClearField("solution_hint")
    return bytes(proto.SerializeToString(deterministic=True))


def message_of(content: bytes, store: str) -> cp_model_pb2.CpModelProto:
    """Return the message that was stored as bytes.

    Args:
        content: as :meth:`nnsearch.history.store.Store.model` returns it.
        store: what people call it.

    Raises:
        HistoryError: it is something else.
    """
    try:
        return cp_model_pb2.CpModelProto.FromString(content)
    except DecodeError:
        raise HistoryError(f"{store}: expected a CpModelProto, got other bytes; restore a copy of it") from None


def model_of(content: bytes, store: str) -> cp_model.CpModel:
    """Return the model that was stored as bytes, see :func:`message_of`."""
    model = cp_model.CpModel()
    # OR-Tools' own messages read nothing but text.
    if not model.proto.parse_text_format(text_format.MessageToString(message_of(content, store))):
        raise HistoryError(f"{store}: expected a model of this version of OR-Tools, got another; install a newer one")
    return model


def past_solve(
    model: PreparedModel,
    response: cmh.CpSolverResponse,
    *,
    family: str,
    seconds: float,
    found_by: str,
    parameters: cmh.SatParameters,
    bounded: bool = True,
    names: tuple[str, ...] | None = None,
    improvements: Mapping[str, int] | None = None,
) -> PastSolve:
    """Return what is kept of CP-SAT's answer, with the other solutions that it has in its pool.

    Args:
        model: what was solved.
        response: the answer.
        family: what such models are called.
        seconds: wall time of the solve.
        found_by: who found the best solution.
        parameters: of the solve.
        bounded: the answer's bound and its proof are of the model's own objective.
        names: of the variables, where somebody has read them.
        improvements: how many better solutions each of CP-SAT's subsolvers brought.
    """
    solved = response.status in (cp_model.OPTIMAL, cp_model.FEASIBLE)
    objective = None if is_constant(model.model.proto) else model.objective
    solutions: dict[bytes, PastSolution] = {}
    if solved:
        for values in (response.solution, *(other.values for other in response.additional_solutions)):
            array = np.array(list(values), dtype=np.int64)
            value = None if objective is None else objective.value_of(array.tolist())
            solutions.setdefault(array.tobytes(), PastSolution(array, value))
    best, *others = solutions.values() if solutions else (None,)
    if objective is not None:
        sign = -1 if objective.maximises else 1
        others.sort(key=lambda solution: sign * (solution.objective or 0.0))
    bound = response.best_objective_bound if solved and objective is not None and bounded else None
    status = Status(response.status.name)
    if status is Status.OPTIMAL and not bounded and objective is not None:
        status = Status.FEASIBLE
    return PastSolve(
        family=family,
        created=time.time(),
        status=status,
        objective=None if best is None else best.objective,
        bound=bound if bound is not None and math.isfinite(bound) else None,
        seconds=seconds,
        found_by=found_by,
        parameters=str(parameters),
        names=names_of(model) if names is None else names,
        solutions=() if best is None else (best, *others),
        improvements=improvements or {},
    )
