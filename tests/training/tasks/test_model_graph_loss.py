"""Knowledge in the loss of networks on the model graph: what the rows' bounds rule out, and rows that are violated."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from ortools.sat.python import cp_model
from torch import Tensor

from nnsearch.encoding.model_graph.encoder import ModelGraphEncoder
from nnsearch.encoding.model_graph.items import QUANTITY
from nnsearch.model.graph import CandidateGraph
from nnsearch.model.prepared import PreparedModel
from training.config import config_of
from training.data.model_states import ModelBatch, ModelState, labelled, model_batch_of
from training.data.solved_models import SolvedModel
from training.losses.cnf import from_model
from training.losses.cnf_ste import ClauseMatrix, binarise, cnf_loss
from training.tasks.model_graph import model_graph_loss
from training.tasks.model_graph_config import ModelGraphConfig, ModelLossConfig
from training.tasks.model_graph_loss import ruled_out_penalty, straight_through

CPU = torch.device("cpu")

no_deadline = settings(deadline=None)  # a busy machine is not a failure


def solved(model: cp_model.CpModel, *solutions: list[int]) -> SolvedModel:
    prepared = PreparedModel(model)
    encoding = ModelGraphEncoder(relaxed=False).prepare(CandidateGraph.from_model(prepared), None, "model")
    return SolvedModel("model", encoding, np.array(solutions), np.zeros(len(solutions)))


def state(model: SolvedModel, assigned: list[int], knows_rows: bool = True) -> ModelState:
    decided = np.isin(np.arange(model.solutions.shape[1]), assigned)
    weights = np.full(len(model.solutions), 1 / len(model.solutions))
    return labelled(model, 0, decided, weights, 0.0, knows_rows=knows_rows)


def week() -> SolvedModel:
    """Five days: work on three, one of the first two, and little of x where the last day is worked."""
    model = cp_model.CpModel()
    works = [model.new_bool_var(f"works{day}") for day in range(5)]
    x, q = model.new_int_var(0, 3, "x"), model.new_int_var(0, 500, "q")
    model.add(sum(works) == 3)
    model.add_bool_or(works[:2])
    model.add(x + works[3] <= 1).only_enforce_if(works[4])
    model.add(q + 100 * x <= 450)
    return solved(model, [1, 1, 1, 0, 0, 2, 7])


def test_what_bounds_leave_or_rule_out_is_told_for_every_kind_of_item() -> None:
    model = week()
    assert not state(model, [0]).forced.any()
    decided = state(model, [0, 1, 2])
    told = dict(zip(model.encoding.items.variable[decided.state.item].tolist(), decided.forced.tolist(), strict=True))
    assert (told[3], told[4]) == (-1, -1), "three days are worked"
    assert not state(model, [0, 1, 2], knows_rows=False).forced.any()
    model.solutions[0] = [1, 1, 0, 0, 1, 1, 7]
    decided = state(model, [4])
    items = model.encoding.items
    of_x = items.variable[decided.state.item] == 5
    values = items.value[decided.state.item][of_x]
    assert dict(zip(values.tolist(), decided.forced[of_x].tolist(), strict=True)) == {0: 0, 1: 0, 2: -1, 3: -1}


@no_deadline
@given(st.lists(st.sampled_from(range(7)), max_size=6, unique=True), st.integers(0, 10**6))
def test_nothing_is_told_against_a_solution_that_extends_the_state(assigned: list[int], seed: int) -> None:
    model = week()
    all_of = [
        [*works, x, q]
        for works in product((0, 1), repeat=5)
        if sum(works) == 3 and any(works[:2])
        for x in range(4 if not works[4] else 2 - works[3])
        for q in (0, 50, 150)
    ]
    model.solutions[0] = all_of[seed % len(all_of)]
    decided = state(model, assigned)
    items = model.encoding.items
    variable, value = items.variable[decided.state.item], items.value[decided.state.item]
    for other in np.array(all_of):
        if (other[assigned] == model.solutions[0][assigned]).all():
            holds = other[variable] == value
            assert not (holds & (decided.forced < 0)).any()
            assert not (~holds & (decided.forced > 0)).any()


def test_the_penalty_pushes_down_what_is_ruled_out_and_touches_nothing_else() -> None:
    model = week()
    states = [state(model, [0, 1, 2]), state(model, [0])]
    batch = model_batch_of(states, CPU)
    scores = torch.zeros(len(batch.label), requires_grad=True)
    penalty = ruled_out_penalty(scores, batch)
    penalty.backward()  # type: ignore[no-untyped-call]
    assert scores.grad is not None
    assert (torch.sign(scores.grad) == -torch.sign(batch.forced)).all(), "a step against the gradient does as is known"
    assert float(penalty.detach()) > 0
    assert float(ruled_out_penalty(40 * batch.forced, batch)) < 1e-12


def clauses_only(seed: int) -> tuple[cp_model.CpModel, int]:
    rng, num = np.random.default_rng(seed), 7
    model = cp_model.CpModel()
    x = [model.new_bool_var(f"x{place}") for place in range(num)]
    for _ in range(9):
        chosen = rng.permutation(num)[: rng.integers(3, 6)]
        literals = [x[place] if rng.random() < 0.5 else ~x[place] for place in chosen]
        if rng.random() < 0.4:
            model.add_bool_or(literals[2:]).only_enforce_if(literals[:2])
        else:
            model.add_bool_or(literals)
    return model, num


@pytest.mark.parametrize("seed", range(8))
def test_of_clauses_it_is_the_straight_through_loss_of_their_cnf(seed: int) -> None:
    model, num = clauses_only(seed)
    read = solved(model, [0] * num)
    batch = model_batch_of([state(read, [])], CPU)
    order = read.encoding.items.variable[read.encoding.items.kind != QUANTITY]
    scores = torch.randn(num, generator=torch.Generator().manual_seed(seed), dtype=torch.float32)
    matrix = ClauseMatrix.of(from_model(model))

    def of_rows(own: Tensor) -> Tensor:
        return straight_through(own[order], torch.zeros(num), batch)

    def of_clauses(own: Tensor) -> Tensor:
        return cnf_loss(binarise(torch.sigmoid(own))[None], torch.zeros(1, num), matrix).total()

    results = []
    for loss in (of_rows, of_clauses):
        own = scores.clone().requires_grad_()
        value = loss(own)
        value.backward()  # type: ignore[no-untyped-call]
        assert own.grad is not None
        results.append((float(value.detach()), own.grad))
    assert results[0][0] == pytest.approx(results[1][0], abs=1e-5)
    assert torch.allclose(results[0][1], results[1][1], atol=1e-6)


def test_a_violated_sum_pulls_its_values_back_and_one_that_holds_keeps_them() -> None:
    model = cp_model.CpModel()
    a, b, c = (model.new_bool_var(name) for name in "abc")
    model.add(2 * a + b + 3 * c <= 3)
    batch = model_batch_of([state(solved(model, [0, 0, 0]), [])], CPU)

    def gradient(own: list[float]) -> tuple[float, list[float]]:
        scores = torch.tensor(own, requires_grad=True)
        value = straight_through(scores, torch.zeros(3), batch)
        value.backward()  # type: ignore[no-untyped-call]
        assert scores.grad is not None
        return float(value.detach()), scores.grad.tolist()

    value, pull = gradient([1.0, -1.0, 1.0])
    assert value == pytest.approx(1.0), "5 is 2 more than 3, in the mean coefficient, which is 2"
    assert pull[2] > pull[0] > pull[1] > 0
    value, pull = gradient([1.0, 1.0, -1.0])
    assert value == 0
    assert (np.sign(pull) == [-1, -1, 1]).all()


def test_a_condition_is_pulled_at_only_where_its_row_fails() -> None:
    model = cp_model.CpModel()
    a, b, c = (model.new_bool_var(name) for name in "abc")
    model.add(a + b >= 2).only_enforce_if(~c)
    batch = model_batch_of([state(solved(model, [1, 1, 0]), [])], CPU)
    off, on = (straight_through(torch.tensor([1.0, -1.0, own]), torch.zeros(3), batch) for own in (1.0, -1.0))
    assert float(off) == 0, "the condition does not hold"
    assert float(on) == pytest.approx(1.0)
    scores = torch.tensor([1.0, -1.0, -1.0], requires_grad=True)
    straight_through(scores, torch.zeros(3), batch).backward()  # type: ignore[no-untyped-call]
    assert scores.grad is not None
    assert (scores.grad < 0).all(), "a and b should hold, or c"


LOSSES: dict[str, Callable[[Tensor, ModelBatch], Tensor]] = {
    "refuted": ruled_out_penalty,
    "straight_through": lambda scores, batch: straight_through(scores, torch.full_like(scores, 0.5), batch),
}


@pytest.mark.parametrize("name", LOSSES)
def test_a_batch_is_the_mean_of_its_states_and_nothing_overflows(name: str) -> None:
    loss = LOSSES[name]
    states = [state(week(), assigned) for assigned in ([], [0, 1, 2], [4, 5])]
    batch = model_batch_of(states, CPU)
    scores = 3 * torch.randn(len(batch.label), generator=torch.Generator().manual_seed(0))
    parts = torch.split(scores, [one.state.num_items for one in states])
    alone = [loss(own, model_batch_of([one], CPU)) for own, one in zip(parts, states, strict=True)]
    assert float(loss(scores, batch)) == pytest.approx(float(torch.stack(alone).mean()), rel=1e-5)
    shares = [loss(own, model_batch_of([one], CPU, 3)) for own, one in zip(parts, states, strict=True)]
    assert float(torch.stack(shares).sum()) == pytest.approx(float(loss(scores, batch)), rel=1e-5)
    assert float(loss(parts[1], model_batch_of([states[1].weightless()], CPU))) == 0
    far = (1e4 * torch.sign(scores)).requires_grad_()
    loss(far, batch).backward()  # type: ignore[no-untyped-call]
    assert far.grad is not None
    assert torch.isfinite(far.grad).all()


def test_knowledge_is_asked_for_by_keys_of_the_config() -> None:
    table = {"data": {"models": "m", "knowledge": "rows"}, "loss": {"straight_through": 0.1, "refuted": 2.0}}
    config = config_of(ModelGraphConfig, table)
    batch = model_batch_of([state(week(), [0, 1, 2])], CPU)
    scores = torch.ones(len(batch.label))
    plain = ModelLossConfig(refuted=0.0)
    more = model_graph_loss(scores, scores, batch, config.loss) - model_graph_loss(scores, scores, batch, plain)
    expected = 2 * ruled_out_penalty(scores, batch) + 0.1 * straight_through(scores, scores, batch)
    assert float(more) == pytest.approx(float(expected), rel=1e-4)
