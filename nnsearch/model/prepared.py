"""A CP-SAT model, read once.

OR-Tools keeps a model in C++, and asking it for one number takes Python a third of a microsecond, for a list several.
So the model is written to bytes, which protobuf's own Python messages parse in C and give out list by list.
"""

from __future__ import annotations

import functools
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from ortools.sat import cp_model_pb2
from ortools.sat.python import cp_model

from nnsearch.errors import GraphError, NNSearchError
from nnsearch.model.domains import narrowed, values_of
from nnsearch.model.graph import CandidateGraph
from nnsearch.model.grouping import Grouping
from nnsearch.model.lists import Lists
from nnsearch.model.objective import Objective, read_objective, without_objective
from nnsearch.model.other_groups import add_other_groups
from nnsearch.model.refusal import reason_of_refusal
from nnsearch.model.row_groups import RowGroups
from nnsearch.model.rows import ROW_KINDS, Rows, constraint_label
from nnsearch.model.stopping import StopCheck

OtherConstraint = tuple[int, str | None, Any]
"""(index in the model, CP-SAT's name of the kind or None for an empty constraint, message)."""

_CHUNK = 256  # variables or constraints that are read between two questions for a stop


class PreparedModel:
    """A model and what others ask of it. The model must not change from now on.

    Args:
        model: any model; it is not changed, and may be in use elsewhere.
        stop: asked from time to time; true ends the reading.

    Attributes:
        model: the model itself.
        proto: a copy of it as a message of protobuf's Python package, to be read only.
        names: V names of variables.
        domains: V lists of ranges ``low, high, low, high, ...``, as the model declares them.
        rows: the linear constraints, clauses, at-most-ones and exactly-ones.
        others: every other constraint.

    Raises:
        NNSearchError: a linear constraint has more variables than coefficients, or fewer.
        ReadingStoppedError: ``stop`` said so.
    """

    def __init__(self, model: cp_model.CpModel, *, stop: Callable[[], bool] | None = None) -> None:
        check = StopCheck(stop)
        self.model = model
        self.proto = cp_model_pb2.CpModelProto.FromString(_bytes_of(model))
        names: list[str] = []
        domains: list[list[int]] = []
        for start in range(0, len(self.proto.variables), _CHUNK):
            chunk = self.proto.variables[start : start + _CHUNK]
            check.step(len(chunk))
            names += [variable.name for variable in chunk]
            domains += [variable.domain[:] for variable in chunk]
        self.names = tuple(name or f"v{index}" for index, name in enumerate(names))
        self.domains = Lists.of(domains)
        try:
            self.rows, self.others = _read_constraints(self.proto, check)
        except ValueError as error:
            raise NNSearchError(f"CP-SAT refuses the model: {self.refusal or error}") from None
        self._graph: CandidateGraph | None = None
        self._told: PreparedModel | None = None  # what scorers read in place of this one

    @classmethod
    def of(cls, model: cp_model.CpModel | PreparedModel, *, stop: Callable[[], bool] | None = None) -> PreparedModel:
        """Read a model that is not read yet; see the class."""
        return model if isinstance(model, PreparedModel) else cls(model, stop=stop)

    @functools.cached_property
    def objective(self) -> Objective | None:
        """The objective."""
        return read_objective(self.model.proto)

    @functools.cached_property
    def costs(self) -> npt.NDArray[np.float64]:
        """float64[V], what is to be minimised for each unit of a variable; to be read only."""
        costs = np.zeros(len(self.names))
        if self.objective is not None and self.objective.terms:
            variables, coefficients = zip(*self.objective.terms, strict=True)
            np.add.at(costs, np.array(variables), np.array(coefficients, dtype=np.float64))
        return costs

    def without_objective(self, *, stop: Callable[[], bool] | None = None) -> PreparedModel:
        """Return the model that asks for any solution; its graph has this one as its model, so scorers know more.

        Raises:
            ReadingStoppedError: ``stop`` said so.
        """
        if self.objective is None:
            return self
        copy = PreparedModel(without_objective(self.model), stop=stop)
        copy._told = self
        return copy

    @functools.cached_property
    def refusal(self) -> str:
        """Why CP-SAT refuses the model, on one line; empty if it is valid."""
        return reason_of_refusal(self.model)

    def graph(self, *, stop: Callable[[], bool] | None = None) -> CandidateGraph:
        """Return the candidates and groups of the model; they are looked for at the first call.

        Args:
            stop: asked from time to time; true ends the search for groups.

        Raises:
            GraphError: a variable is declared with an empty domain, or CP-SAT refuses the model.
            ReadingStoppedError: ``stop`` said so.
        """
        if self._graph is None:
            try:
                self._graph = replace(self._grouped(StopCheck(stop)), model=self._told or self)
            except (IndexError, ValueError):  # of a malformed model, else of the caller's stop
                if self.refusal:
                    raise GraphError(f"CP-SAT refuses the model: {self.refusal}") from None
                raise
        return self._graph

    def _grouped(self, check: StopCheck) -> CandidateGraph:
        values, too_large = values_of(self.domains)
        for variable in np.flatnonzero((values.sizes == 0) & ~too_large).tolist():
            raise GraphError(f"variable {self.names[variable]}: expected at least one value, its domain is empty")
        groups = Grouping(self.names, narrowed(values, too_large, self.rows, check), too_large)
        RowGroups(groups, self.rows, check).add()
        constraints = self.proto.constraints
        add_other_groups(groups, self.others, constraints, check)
        return groups.graph(len(constraints), lambda index: constraint_label(constraints[index], index))


def _bytes_of(model: cp_model.CpModel) -> bytes:
    """Write a model to bytes, for which OR-Tools offers a file only; on Linux one that is in memory."""
    if sys.platform == "linux":
        memory = os.memfd_create("model")
        try:
            if model.export_to_file(f"/proc/self/fd/{memory}"):
                with open(memory, "rb", closefd=False) as file:
                    return file.read()
        finally:
            os.close(memory)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.pb"
        if not model.export_to_file(str(path)):
            raise NNSearchError(f"expected to write {path}; set TMPDIR to a folder with space for the model")
        return path.read_bytes()


class _Growing:
    """Lists that grow; kept flat, since Python's garbage collector looks at every list again and again."""

    def __init__(self) -> None:
        self._sizes: list[int] = []
        self._items: list[int] = []

    def extend(self, lists: Sequence[Sequence[int]]) -> None:
        self._sizes.extend(map(len, lists))
        self._items.extend(chain.from_iterable(lists))

    def lists(self) -> Lists:
        return Lists.from_sizes(np.array(self._sizes, dtype=np.int64), np.array(self._items, dtype=np.int64))


def _read_constraints(proto: Any, check: StopCheck) -> tuple[Rows, list[OtherConstraint]]:
    numbers: dict[str | None, int] = {kind: number for number, kind in enumerate(ROW_KINDS)}
    places: list[int] = []
    kinds: list[int] = []
    enforcement, entries, coefficients, domains = _Growing(), _Growing(), _Growing(), _Growing()
    others: list[OtherConstraint] = []
    for start in range(0, len(proto.constraints), _CHUNK):
        chunk = proto.constraints[start : start + _CHUNK]
        check.step(len(chunk))
        read = [(i, constraint.WhichOneof("constraint"), constraint) for i, constraint in enumerate(chunk, start)]
        others += [one for one in read if one[1] not in numbers]
        rows = [one for one in read if one[1] in numbers]
        places += [index for index, _, _ in rows]
        kinds += [numbers[kind] for _, kind, _ in rows]
        enforcement.extend([constraint.enforcement_literal for _, _, constraint in rows])
        bodies = [(getattr(constraint, kind), kind == "linear") for _, kind, constraint in rows]
        entries.extend([body.vars[:] if linear else body.literals[:] for body, linear in bodies])
        coefficients.extend([body.coeffs[:] if linear else (1,) * len(body.literals) for body, linear in bodies])
        domains.extend([body.domain[:] if linear else () for body, linear in bodies])
    factors = coefficients.lists()
    result = Rows(
        np.array(places, dtype=np.int64),
        np.array(kinds, dtype=np.int64),
        enforcement.lists(),
        entries.lists(),
        factors.items,
        domains.lists(),
    )
    if (result.entries.sizes != factors.sizes).any():
        raise ValueError("expected a coefficient for each variable of a linear constraint")
    return result, others
