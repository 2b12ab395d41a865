from __future__ import annotations

from ortools.sat.python import cp_model

from nnsearch.cpsat.hinted import hinted


def test_the_hint_is_the_solution_and_the_model_stays() -> None:
    model = cp_model.CpModel()
    variables = [model.new_int_var(0, 9, f"v{i}") for i in range(3)]
    model.add_hint(variables[1], 4)
    before = str(model.proto)
    hint = hinted(model, [7, 8, 9]).proto.solution_hint
    assert (list(hint.vars), list(hint.values)) == ([0, 1, 2], [7, 8, 9])
    assert str(model.proto) == before
