from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from training.losses.dense import SBRForm, candidate_cross_entropy, semantic_based_regularisation

FORMS: tuple[SBRForm, ...] = ("mse", "bce", "negative")
few = settings(max_examples=20)
every_form = pytest.mark.parametrize("form", FORMS)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


@st.composite
def batches(draw: st.DrawFn) -> tuple[Tensor, Tensor, Tensor]:
    """float64[B, N] scores, targets whose rows sum to 1, and bool[B, N] of possible candidates."""
    rows, columns = draw(st.integers(1, 4)), draw(st.integers(1, 6))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 10**6)))
    scores = 5 * torch.randn(rows, columns, generator=generator, dtype=torch.float64)
    weight = torch.rand(rows, columns, generator=generator, dtype=torch.float64)
    return scores, weight / weight.sum(1, keepdim=True), torch.rand(rows, columns, generator=generator) < 0.5


def slow_cross_entropy(scores: Tensor, target: Tensor) -> float:
    total = 0.0
    for row, weights in zip(scores.tolist(), target.tolist(), strict=True):
        partition = sum(math.exp(s) for s in row)
        total -= sum(t * math.log(math.exp(s) / partition) for s, t in zip(row, weights, strict=True))
    return total / len(scores)


def slow_sbr(scores: Tensor, possible: Tensor, form: str) -> float:
    total = 0.0
    for row, allowed in zip(scores.tolist(), possible.tolist(), strict=True):
        for score, c in zip(row, allowed, strict=True):
            p = sigmoid(score)
            total += {
                "mse": (c - p) ** 2,
                "bce": -math.log(p if c else 1 - p),
                "negative": 0 if c else p**2,
            }[form]
    return total / len(scores)


def test_cross_entropy_by_hand() -> None:
    scores = torch.tensor([[0.0, math.log(3.0)], [0.0, 0.0]])
    target = torch.tensor([[0.0, 1.0], [0.5, 0.5]])
    torch.testing.assert_close(
        candidate_cross_entropy(scores, target), torch.tensor((math.log(4 / 3) + math.log(2)) / 2)
    )


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("mse", (0.25 + 0.25 + 0.0625 + 0.0625) / 2),
        ("bce", (2 * math.log(2) - 2 * math.log(0.75)) / 2),
        ("negative", (0.25 + 0.0625) / 2),
    ],
)
def test_sbr_by_hand(form: SBRForm, expected: float) -> None:
    scores = torch.tensor([[0.0, 0.0], [math.log(3.0), -math.log(3.0)]])  # sigmoids 1/2 1/2 and 3/4 1/4
    for possible in (torch.tensor([[True, False], [True, False]]), torch.tensor([[1.0, 0.0], [1.0, 0.0]])):
        torch.testing.assert_close(
            semantic_based_regularisation(scores, possible, form), torch.tensor(expected, dtype=torch.float32)
        )


@few
@given(batches())
def test_the_formulas(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    scores, target, possible = batch
    assert float(candidate_cross_entropy(scores, target)) == pytest.approx(slow_cross_entropy(scores, target))
    for form in FORMS:
        got = float(semantic_based_regularisation(scores, possible, form))
        assert got == pytest.approx(slow_sbr(scores, possible, form))


def test_the_default_form_is_the_papers() -> None:
    scores, possible = torch.randn(3, 5), torch.rand(3, 5) < 0.5
    assert semantic_based_regularisation(scores, possible) == semantic_based_regularisation(scores, possible, "mse")


@few
@given(batches())
def test_a_batch_is_the_mean_of_its_rows(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    scores, target, possible = batch
    rows = [slice(i, i + 1) for i in range(len(scores))]
    singles = torch.stack([candidate_cross_entropy(scores[r], target[r]) for r in rows])
    torch.testing.assert_close(candidate_cross_entropy(scores, target), singles.mean())
    for form in FORMS:
        singles = torch.stack([semantic_based_regularisation(scores[r], possible[r], form) for r in rows])
        torch.testing.assert_close(semantic_based_regularisation(scores, possible, form), singles.mean())


@few
@given(batches())
def test_a_candidate_without_mass_is_as_good_as_dropped(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    scores, target, possible = batch
    extra = torch.full((len(scores), 2), -1e4, dtype=scores.dtype)
    wider = torch.cat([scores, extra], 1)
    torch.testing.assert_close(
        candidate_cross_entropy(wider, torch.cat([target, torch.zeros_like(extra)], 1)),
        candidate_cross_entropy(scores, target),
    )
    for form in FORMS:
        torch.testing.assert_close(
            semantic_based_regularisation(wider, torch.cat([possible, extra > 0], 1), form),
            semantic_based_regularisation(scores, possible, form),
        )
    anything = torch.cat([scores, torch.randn_like(extra)], 1)
    torch.testing.assert_close(
        semantic_based_regularisation(anything, torch.cat([possible, extra < 0], 1), "negative"),
        semantic_based_regularisation(scores, possible, "negative"),
    )


@few
@given(batches())
def test_candidates_are_summed_in_any_order(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    scores, target, possible = batch
    order = torch.randperm(scores.shape[1])
    torch.testing.assert_close(
        candidate_cross_entropy(scores[:, order], target[:, order]), candidate_cross_entropy(scores, target)
    )
    for form in FORMS:
        once = semantic_based_regularisation(scores, possible, form)
        torch.testing.assert_close(semantic_based_regularisation(scores[:, order], possible[:, order], form), once)
        twice = semantic_based_regularisation(scores.repeat(1, 2), possible.repeat(1, 2), form)
        torch.testing.assert_close(twice, 2 * once)  # a sum over candidates, not a mean


def test_zero_in_the_limit() -> None:
    possible = torch.tensor([[True, False, True], [False, False, True]])
    scores = torch.where(possible, 1e4, -1e4)
    one_hot = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    assert candidate_cross_entropy(one_hot * 1e4, one_hot) == 0
    for form in FORMS:
        assert semantic_based_regularisation(scores, possible, form) == 0
    assert semantic_based_regularisation(torch.where(possible, torch.randn(2, 3), -1e4), possible, "negative") == 0


@few
@given(batches())
def test_never_below_zero(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    scores, target, possible = batch
    assert candidate_cross_entropy(scores, target) >= 0
    assert all(semantic_based_regularisation(scores, possible, form) >= 0 for form in FORMS)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_finite_at_extreme_logits(dtype: torch.dtype) -> None:
    edges = torch.tensor([-1e4, -100.0, 0.0, 100.0, 1e4], dtype=dtype)
    scores = torch.cartesian_prod(edges, edges).requires_grad_()
    losses: list[Tensor] = []
    for target in ((1.0, 0.0), (0.0, 1.0), (0.5, 0.5)):
        losses.append(candidate_cross_entropy(scores, torch.tensor([target], dtype=dtype)))
        possible = torch.tensor([target], dtype=dtype).expand(scores.shape) > 0
        losses += [semantic_based_regularisation(scores, possible, form) for form in FORMS]
    for loss in losses:
        (gradient,) = torch.autograd.grad(loss, scores)
        assert loss.isfinite()
        assert gradient.isfinite().all()


@every_form
def test_gradients_are_those_of_finite_differences(form: SBRForm) -> None:
    scores = torch.randn(3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    target = torch.softmax(torch.arange(15, dtype=torch.float64).reshape(3, 5).cos(), 1)
    possible = target > 0.2
    gradcheck: Any = torch.autograd.gradcheck
    assert gradcheck(lambda s: candidate_cross_entropy(s, target), (scores,))
    assert gradcheck(lambda s: semantic_based_regularisation(s, possible, form), (scores,))


@pytest.mark.parametrize("form", ["", "MSE", "cnf"])
def test_an_unknown_form_lists_the_known(form: Any) -> None:
    with pytest.raises(ValueError, match=f"expected one of mse, bce, negative, got '{form}'"):
        semantic_based_regularisation(torch.zeros(1, 2), torch.ones(1, 2), form)
