"""A model as bytes, for another process."""

from __future__ import annotations

import pickle

from ortools.sat.python import cp_model

from nnsearch.search_options import AnyModel, model_and_variables


def pack(model: AnyModel) -> bytes:
    """Return bytes that :func:`unpack` builds the model from.

    Raises:
        ConfigError: it is not a model.
    """
    if type(model).__module__.startswith("nnsearch."):
        try:
            return pickle.dumps(model)  # an instance is smaller and faster than the model that it builds
        except TypeError:  # it holds a CpModel
            pass
    built, variables = model_and_variables(model)
    return pickle.dumps((str(built.proto), [variable.index for variable in variables]))


def unpack(packed: bytes) -> AnyModel:
    """Return the model of :func:`pack`."""
    content = pickle.loads(packed)
    if not isinstance(content, tuple):
        return content
    text, indices = content
    model = cp_model.CpModel()
    model.proto.parse_text_format(text)
    return model, [model.get_int_var_from_proto_index(index) for index in indices]
