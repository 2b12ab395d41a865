"""A model as bytes, for another process."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import cast

from ortools.sat.python import cp_model

from nnsearch.many.search_task import AnyModel, AnyTask, SearchTask, model_and_variables
from nnsearch.model.variables import check_no_negation


def pack(task: AnyTask) -> bytes:
    """Return bytes that :func:`unpack` makes the same task from.

    Raises:
        ConfigError: it is not a model.
    """
    if isinstance(task, SearchTask):
        return pickle.dumps(SearchTask(_packed(task.model), task.options))
    return pickle.dumps(_packed(task))


def unpack(packed: bytes) -> AnyTask:
    """Return the task of :func:`pack`."""
    task = pickle.loads(packed)
    if isinstance(task, SearchTask):
        return SearchTask(_unpacked(task.model), task.options)
    return _unpacked(task)


@dataclass(frozen=True)
class _Text:
    """A CpModel, which cannot be pickled, and the indices of the variables to assign."""

    model: str
    indices: list[int]


def _packed(model: AnyModel) -> object:
    if type(model).__module__.startswith("nnsearch."):
        try:
            pickle.dumps(model)
        except TypeError:  # it holds a CpModel
            pass
        else:
            return model  # an instance is smaller and faster than the model that it builds
    built, variables = model_and_variables(model)
    check_no_negation([variable.index for variable in variables])
    return _Text(str(built.proto), [variable.index for variable in variables])


def _unpacked(packed: object) -> AnyModel:
    if not isinstance(packed, _Text):
        return cast(AnyModel, packed)
    model = cp_model.CpModel()
    model.proto.parse_text_format(packed.model)
    return model, [model.get_int_var_from_proto_index(index) for index in packed.indices]
