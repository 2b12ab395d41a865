from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from nnsearch.problems import sudoku
from training.losses.cnf import Cnf, from_model
from training.losses.cnf_ste import Binariser, ClauseMatrix, CnfLoss, binarise, bound, cnf_loss, with_facts

FORMS: tuple[Binariser, ...] = ("probability", "identity", "saturated")
few = settings(max_examples=60, deadline=None)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Cnf, Tensor, Tensor]:
    """Clauses, float64[B, n] logits and [B, n] facts."""
    atoms, rows = draw(st.integers(1, 6)), draw(st.integers(1, 3))
    literal = st.integers(-atoms, atoms).filter(bool)
    clauses = draw(st.lists(st.lists(literal, max_size=4), min_size=1, max_size=8))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 10**6)))
    logits = 2 * torch.randn(rows, atoms, generator=generator, dtype=torch.float64)
    facts = torch.randint(-1, 2, (rows, atoms), generator=generator)
    return Cnf.from_clauses(atoms, clauses), logits, facts * draw(st.integers(0, 1))


def loss_of(cnf: Cnf, values: Tensor, facts: Tensor, open_only: bool = False) -> CnfLoss:
    return cnf_loss(values, facts, ClauseMatrix.of(cnf, dtype=values.dtype), open_only=open_only)


def slow_terms(cnf: Cnf, values: Tensor, facts: Tensor, open_only: bool) -> tuple[Tensor, Tensor, Tensor]:
    """The formulas for one example, clause by clause, with autograd through the products."""
    deduce, unsat, keep = [], [], []
    zero = values.sum() * 0
    for clause in cnf.clauses():
        worth = [values[a - 1] if a > 0 else 1 - values[-a - 1] for a in clause]
        known = [int(facts[abs(a) - 1]) * (1 if a > 0 else -1) for a in clause]
        if open_only and 1 in known:
            continue
        missing = zero + 1
        for one in worth:
            missing = missing * (1 - one)
        if known.count(-1) == len(clause) - 1:
            deduce.append(missing)
        if missing == 1:
            unsat.append(missing)
        else:
            keep.append(sum(((1 - one) if one == 1 else one) for one in worth) + zero)
    return (
        torch.stack([zero, *deduce]).sum(),
        torch.stack(unsat).mean() if unsat else zero,
        torch.stack(keep).mean() if keep else zero,
    )


@pytest.mark.parametrize("open_only", [False, True])
@few
@given(cases(), st.tuples(*[st.floats(0.1, 2)] * 3))
def test_values_and_gradients_are_those_of_the_formulas(
    open_only: bool, case: tuple[Cnf, Tensor, Tensor], weights: tuple[float, float, float]
) -> None:
    cnf, logits, facts = case
    values = with_facts(facts, (logits >= 0).double()).requires_grad_()
    got = loss_of(cnf, values, facts, open_only)
    (gradient,) = torch.autograd.grad(
        torch.stack([w * term.sum() for w, term in zip(weights, (got.deduce, got.unsat, got.keep), strict=True)]).sum(),
        values,
    )
    for row in range(len(values)):
        own = values[row].detach().requires_grad_()
        expected = slow_terms(cnf, own, facts[row], open_only)
        for term, slow in zip((got.deduce, got.unsat, got.keep), expected, strict=True):
            torch.testing.assert_close(term[row], slow)
        weighted = torch.stack([w * term for w, term in zip(weights, expected, strict=True)]).sum()
        (slow_gradient,) = torch.autograd.grad(weighted, own)
        torch.testing.assert_close(gradient[row], slow_gradient)


@pytest.mark.parametrize("form", FORMS)
@few
@given(cases())
def test_the_gradient_goes_through_the_binariser(form: Binariser, case: tuple[Cnf, Tensor, Tensor]) -> None:
    cnf, logits, facts = case
    x = (logits.sigmoid() if form == "probability" else logits).requires_grad_()
    binary = binarise(x, form)
    values = with_facts(facts, binary)
    assert set(torch.unique(values).tolist()) <= {0.0, 1.0}
    by_values, by_input = torch.autograd.grad(loss_of(cnf, values, facts).total(), [values, x])
    passed = (facts == 0) & ((x.abs() <= 1) if form == "saturated" else torch.ones_like(facts, dtype=torch.bool))
    torch.testing.assert_close(by_input, by_values * passed)


@few
@given(cases())
def test_batch_equals_stacked_singles(case: tuple[Cnf, Tensor, Tensor]) -> None:
    cnf, logits, facts = case
    x = logits.sigmoid().requires_grad_()

    def total(rows: slice) -> Tensor:
        values = with_facts(facts[rows], binarise(x[rows]))
        return loss_of(cnf, values, facts[rows]).total(deduce_weight=3.0)

    batch = total(slice(None))
    singles = torch.stack([total(slice(row, row + 1)) for row in range(len(x))]).mean()
    torch.testing.assert_close(batch, singles)
    torch.testing.assert_close(torch.autograd.grad(batch, x), torch.autograd.grad(singles, x))


@few
@given(cases())
def test_examples_side_by_side_equal_a_batch(case: tuple[Cnf, Tensor, Tensor]) -> None:
    cnf, logits, facts = case
    rows = len(logits)
    shifted = [
        [a + row * cnf.num_atoms * (1 if a > 0 else -1) for a in clause]
        for row in range(rows)
        for clause in cnf.clauses()
    ]
    union = Cnf.from_clauses(rows * cnf.num_atoms, shifted)
    part = np.repeat(np.arange(rows), cnf.num_clauses)
    x = logits.sigmoid().requires_grad_()
    values = with_facts(facts, binarise(x))
    batch = loss_of(cnf, values, facts).total(deduce_weight=3.0)
    matrix = ClauseMatrix.of(union, dtype=values.dtype, part=part)
    side_by_side = cnf_loss(values.reshape(1, -1), facts.reshape(1, -1), matrix).total(deduce_weight=3.0)
    torch.testing.assert_close(side_by_side, batch)
    torch.testing.assert_close(torch.autograd.grad(side_by_side, x, retain_graph=True), torch.autograd.grad(batch, x))


@few
@given(cases())
def test_it_is_zero_exactly_when_the_clauses_hold(case: tuple[Cnf, Tensor, Tensor]) -> None:
    cnf, logits, facts = case
    values = with_facts(facts, (logits >= 0).double())
    got = loss_of(cnf, values, facts)
    satisfied = torch.from_numpy(cnf.satisfied(values.numpy()).all(1))
    assert ((got.deduce + got.unsat + got.keep == 0) == satisfied).all()


def test_by_hand() -> None:
    # (a or not b), (c or b): a = 0, b = 1, c = 0 breaks the first and keeps the second.
    cnf = Cnf.from_clauses(3, [[1, -2], [3, 2]])
    values = torch.tensor([[0.0, 1.0, 0.0]], requires_grad=True)
    none = torch.zeros(1, 3)
    got = loss_of(cnf, values, none)
    assert (got.deduce.item(), got.unsat.item(), got.keep.item()) == (0, 1, 0)
    # unsat: d/da = -1, d/db = +1; keep: the true b up (-1), the false c down (+1).
    assert torch.autograd.grad(got.total(), values)[0].tolist() == [[-1.0, 0.0, 1.0]]
    # With b known the first clause deduces a: once more -1, and nothing is asked of b but what the mean says.
    known = torch.tensor([[0, 1, 0]])
    got = loss_of(cnf, values, known)
    assert got.deduce.item() == 1
    assert torch.autograd.grad(got.total(deduce_weight=5.0), values)[0][0, 0] == -6


def test_bound_by_hand() -> None:
    assert bound(torch.tensor([[1.0, -2.0], [3.0, 0.0]])).item() == 3.5


@pytest.mark.parametrize("form", FORMS)
def test_binarisers_at_the_threshold(form: Binariser) -> None:
    x = torch.tensor([-2.0, -1.0, -0.1, 0.0, 0.4, 0.5, 1.0, 1.1], requires_grad=True)
    binary = binarise(x, form)
    (gradient,) = torch.autograd.grad(binary.sum(), x)
    assert binary.tolist() == [float(value >= (0.5 if form == "probability" else 0)) for value in x.tolist()]
    assert gradient.tolist() == [float(form != "saturated" or abs(value) <= 1) for value in x.tolist()]


def test_an_unknown_binariser_is_refused() -> None:
    with pytest.raises(ValueError, match="expected one of probability, identity, saturated, got 'sign'"):
        binarise(torch.zeros(1), "sign")  # type: ignore[arg-type]


def test_extreme_outputs_have_finite_gradients() -> None:
    cnf = Cnf.from_clauses(2, [[1, 2], [-1, -2], []])
    logits = torch.tensor([[1e30, -1e30], [0.0, 0.0]], requires_grad=True)
    values = binarise(torch.softmax(logits, dim=1))
    loss = loss_of(cnf, values, torch.zeros(2, 2)).total() + bound(logits.clamp(-10, 10))
    (gradient,) = torch.autograd.grad(loss, logits)
    assert gradient.isfinite().all()


@pytest.mark.parametrize(
    "device",
    ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"))],
)
def test_sudoku_boards(device: str) -> None:
    (board, solution), *_ = sudoku.generate(3, 0.5, 1, 1)
    model, _ = board.build()
    blank, _ = sudoku.Sudoku("", np.zeros_like(board.grid)).build()
    cnf = from_model(blank, one_value=False, each_value=True)
    clauses = ClauseMatrix.of(cnf, device)
    right = torch.from_numpy(cnf.holds(solution)).float()
    given = torch.from_numpy(np.where(board.grid.ravel()[cnf.variable] == cnf.value, 1, 0)).float()
    wrong = right.clone()
    hole = int(np.flatnonzero(board.grid.ravel() == 0)[0])
    wrong[hole * 9 : hole * 9 + 9] = 0
    values = torch.stack([right, wrong]).to(device).requires_grad_()
    facts = torch.stack([given, given]).to(device)
    got = cnf_loss(with_facts(facts, values), facts, clauses)
    assert got.unsat.tolist() == [0, 1]
    assert got.deduce[0] == 0
    (gradient,) = torch.autograd.grad(got.total(), values)
    assert gradient.isfinite().all()
    assert (gradient[0, : len(right)] * (2 * right.to(device) - 1) <= 0).all()  # what is right is kept
    assert gradient[1, hole * 9 + solution[hole] - 1] < 0  # what is missing is asked for
    assert model.proto.name == "sudoku-9"
