from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ortools.sat.python import cp_model
from stand_ins import engine_solutions, models

from nnsearch.cp.translate import translate
from nnsearch.errors import GraphError, NNSearchError
from nnsearch.model.graph import CandidateGraph
from nnsearch.model.lists import Lists
from nnsearch.model.prepared import PreparedModel
from nnsearch.model.rows import ROW_KINDS
from nnsearch.model.stopping import ReadingStoppedError


def small() -> cp_model.CpModel:
    model = cp_model.CpModel()
    x, y = model.new_int_var(0, 3, "x"), model.new_int_var_from_domain(cp_model.Domain.from_values([1, 4]), "")
    a, b = model.new_bool_var("a"), model.new_bool_var("b")
    model.add(2 * x - y <= 5).only_enforce_if(a, ~b)
    model.add_all_different([x, y])
    model.add_bool_or([a, ~b])
    model.add_at_most_one([a, b])
    model.minimize(3 * y)
    return model


def test_reads_rows_with_coefficients_ranges_and_enforcement() -> None:
    prepared = PreparedModel.of(small())
    assert prepared.names == ("x", "v1", "a", "b")
    assert list(prepared.domains) == [[0, 3], [1, 1, 4, 4], [0, 1], [0, 1]]
    assert [tuple(row) for row in prepared.rows] == [
        (0, "linear", [2, ~3], [0, 1], [2, -1], [cp_model.INT_MIN, 5]),
        (2, "bool_or", [], [2, ~3], [1, 1], []),
        (3, "at_most_one", [], [2, 3], [1, 1], []),
    ]
    assert [(index, kind) for index, kind, _ in prepared.others] == [(1, "all_diff")]
    linear = prepared.rows.take(np.flatnonzero(prepared.rows.kind == ROW_KINDS.index("linear")))
    assert linear.constraint.tolist() == [0]
    assert linear.coefficients.tolist() == [2, -1]
    assert prepared.objective is not None
    assert prepared.objective.variables == (1,)
    assert prepared.refusal == ""


def test_a_prepared_model_is_not_read_again() -> None:
    prepared = PreparedModel.of(small())
    assert PreparedModel.of(prepared) is prepared
    assert CandidateGraph.from_model(prepared) is prepared.graph()
    first, second = translate(prepared), translate(prepared)
    assert first.solver is not second.solver
    assert engine_solutions(first) == engine_solutions(second)


@given(models())
def test_reading_changes_nothing(model: cp_model.CpModel) -> None:
    before = str(model.proto)
    prepared = PreparedModel.of(model)
    prepared.graph()
    translate(prepared)
    assert str(model.proto) == before


def test_a_model_without_a_file_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = list(PreparedModel.of(small()).rows)
    monkeypatch.setattr(sys, "platform", "darwin")
    assert list(PreparedModel.of(small()).rows) == wanted


def test_a_stop_ends_the_reading() -> None:
    model = cp_model.CpModel()
    for _ in range(1000):
        model.new_bool_var("")
    with pytest.raises(ReadingStoppedError):
        PreparedModel.of(model, stop=lambda: True)
    prepared = PreparedModel.of(model)
    with pytest.raises(ReadingStoppedError):
        prepared.graph(stop=lambda: True)
    assert prepared.graph().num_candidates == 2000


def test_malformed_models_are_refused_in_one_line() -> None:
    model = small()
    model.proto.constraints[0].linear.vars.append(0)
    with pytest.raises(NNSearchError, match=r"\ACP-SAT refuses the model: .+\Z"):
        PreparedModel.of(model)
    model = small()
    model.proto.constraints[2].bool_or.literals.append(99)
    with pytest.raises(GraphError, match=r"\ACP-SAT refuses the model: .+\Z"):
        PreparedModel.of(model).graph()


@given(st.lists(st.lists(st.integers(0, 4), max_size=5), max_size=6), st.data())
def test_lists_are_lists(lists: list[list[int]], data: st.DataObject) -> None:
    ragged = Lists.of(lists)
    assert list(ragged) == lists
    assert ragged.repeats().tolist() == [len(set(one)) < len(one) for one in lists]
    taken = data.draw(st.lists(st.sampled_from(range(len(lists))), max_size=5)) if lists else []
    assert list(ragged.take(np.array(taken, dtype=np.int64))) == [lists[i] for i in taken]
    assert list(ragged.followed_by(ragged)) == [one + one for one in lists]
    kept = ragged.items % 2 == 0
    assert list(ragged.keep(kept)) == [[i for i in one if i % 2 == 0] for one in lists]
