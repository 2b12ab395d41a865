"""Clauses as a loss through straight-through estimators (CL-STE).

Z. Yang, J. Lee, C. Park: *Injecting Logical Constraints into Neural Networks via Straight-Through Estimators* (ICML
2022). The network's outputs are binarised, the clauses are evaluated on the binary values, and the gradient goes
through the binarisation as if it were not there. An evaluation costs some sparse products, whatever the clauses say:
nothing is compiled, and no models are counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from training.losses.cnf import Cnf

Binariser = Literal["probability", "identity", "saturated"]


def binarise(x: Tensor, form: Binariser = "probability") -> Tensor:
    r"""Return 0/1 values whose gradient is passed on to the inputs (section 3.2 of the paper).

    - ``probability``: :math:`b_p(x) = 1[x \ge 1/2]` of probabilities, gradient 1 (identity STE)
    - ``identity``: :math:`b(x) = 1[x \ge 0]` of logits, gradient 1 (identity STE)
    - ``saturated``: :math:`b(x)` of logits, gradient :math:`1[-1 \le x \le 1]` (saturated STE)

    Args:
        x: float[...].
        form: one of the above.

    Returns:
        float[...], exactly 0 or 1.

    Raises:
        ValueError: the form is unknown.
    """
    if form not in get_args(Binariser):
        raise ValueError(f"expected one of {', '.join(get_args(Binariser))}, got {form!r}")
    threshold = 0.5 if form == "probability" else 0.0
    binary: Tensor = _StraightThrough.apply(x, threshold, form == "saturated")  # type: ignore[no-untyped-call]
    return binary


def with_facts(facts: Tensor, binary: Tensor) -> Tensor:
    r"""Return :math:`v = 1[g = 1] + 1[g = 0]\, B(x)`: facts [B, n] as they are, binary values float[B, n] elsewhere.

    Facts are 1 = known to be true, -1 = known to be false, 0 = not known.
    """
    return torch.where(facts == 0, binary, (facts > 0).to(binary.dtype))


def bound(outputs: Tensor) -> Tensor:
    """Mean of :math:`x^2` over all raw outputs (:math:`L_{bound}`): it keeps logits where softmax has gradients."""
    return outputs.square().mean()


@dataclass(frozen=True)
class ClauseMatrix:
    """The clauses of a CNF as sparse matrices; made once.

    Attributes:
        signed: sparse float[M, n], C: 1 where the clause has the atom, -1 where it has its negation.
        absolute: sparse float[M, n], where the clause has either.
        signed_transposed: sparse float[n, M].
        absolute_transposed: sparse float[n, M].
        width: float[M, 1], literals of each clause.
        negative: float[M, 1], negated literals of each clause.
        part: int64[M], 0..P-1, the part of each clause. Each part has terms of its own, whose mean counts.
        num_parts: P.
    """

    signed: Tensor
    absolute: Tensor
    signed_transposed: Tensor
    absolute_transposed: Tensor
    width: Tensor
    negative: Tensor
    part: Tensor
    num_parts: int

    @classmethod
    def of(
        cls,
        cnf: Cnf,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        part: npt.NDArray[np.int64] | None = None,
    ) -> ClauseMatrix:
        """Build the matrices.

        Args:
            cnf: the clauses.
            device: of the matrices.
            dtype: of the network's outputs.
            part: int64[M], 0..P-1, where the clauses are those of several examples side by side: the example of each,
                which has at least one; None is one example.
        """
        clause = np.repeat(np.arange(cnf.num_clauses), cnf.width)
        atom = np.abs(cnf.literals) - 1
        sign = np.sign(cnf.literals)
        negative = np.bincount(clause[sign < 0], minlength=cnf.num_clauses)

        def sparse(rows: Any, columns: Any, values: Any, shape: tuple[int, int]) -> Tensor:
            index = torch.from_numpy(np.stack([rows, columns]))
            matrix = torch.sparse_coo_tensor(index, torch.from_numpy(values).to(dtype), shape, check_invariants=True)
            return matrix.coalesce().to(device)

        shape, turned = (cnf.num_clauses, cnf.num_atoms), (cnf.num_atoms, cnf.num_clauses)
        return cls(
            sparse(clause, atom, sign, shape),
            sparse(clause, atom, np.abs(sign), shape),
            sparse(atom, clause, sign, turned),
            sparse(atom, clause, np.abs(sign), turned),
            torch.from_numpy(cnf.width).to(device, dtype).unsqueeze(1),
            torch.from_numpy(negative).to(device, dtype).unsqueeze(1),
            torch.from_numpy(np.zeros(cnf.num_clauses, dtype=np.int64) if part is None else part).to(device),
            1 if part is None else int(part.max(initial=0)) + 1,
        )

    def count(self, told: Tensor) -> Tensor:
        """Return float[P, B], of how many clauses of each part it is true; bool[M, B]."""
        zeros = self.width.new_zeros(self.num_parts, told.shape[1])
        return zeros.index_add(0, self.part, told.to(zeros.dtype))


@dataclass(frozen=True)
class CnfLoss:
    """The three terms of each example, float[B] each.

    Attributes:
        deduce: how many clauses are false of which the facts leave one literal: they say what it has to be.
        unsat: mean of 1 over the false clauses: 1, or 0 when there is none. Of clauses in parts both are means over the
            parts.
        keep: 0; its gradient holds the literals of true clauses where they are, averaged over these clauses.
    """

    deduce: Tensor
    unsat: Tensor
    keep: Tensor

    def total(self, deduce_weight: float = 1.0) -> Tensor:
        """Return the mean over the batch of ``deduce_weight * deduce + unsat + keep``, a scalar.

        With one example and weight 1 it is the paper's L_cnf. The authors' code adds the deduce terms of a batch where
        it averages the others; the batch size as weight does the same.
        """
        return (deduce_weight * self.deduce + self.unsat + self.keep).mean()


def cnf_loss(values: Tensor, facts: Tensor, clauses: ClauseMatrix, *, open_only: bool = False) -> CnfLoss:
    r"""Return the terms of :math:`L_{cnf} = L_{deduce} + L_{unsat} + L_{sat}` (equations 5 to 8 of the paper).

    For clause i with literals :math:`L_{ij} = 1[C_{ij} = 1]\, v_j + 1[C_{ij} = -1](1 - v_j)`:

    .. math::
        unsat_i &= \prod_j (1 - L_{ij}), \quad
        keep_i = \sum_j 1[L_{ij} = 1](1 - L_{ij}) + 1[L_{ij} = 0] L_{ij} \\
        L_{deduce} &= \sum_{i\,:\,\text{all literals but one false under } g} unsat_i, \quad
        L_{unsat} = \mathrm{avg}_{i\,:\,unsat_i = 1} unsat_i, \quad
        L_{sat} = \mathrm{avg}_{i\,:\,unsat_i = 0} keep_i

    All are exactly 0 when the values satisfy the clauses. Since values are binary, counting true literals is enough for
    the products and for their derivatives (which is 1 in magnitude where no other literal is true, and 0 elsewhere).

    Args:
        values: float[B, n], v, 0 or 1, of :func:`with_facts`.
        facts: [B, n], g: 1 true, -1 false, 0 unknown.
        clauses: the clauses.
        open_only: leave out the clauses that the facts alone satisfy. They change nothing but the average of ``keep``,
            which they thin out where a fact (a label) selects few of many clauses.
    """
    signs = torch.sign(facts).to(values.dtype)
    # A literal is worth 1 where the facts make it true and -1 where they make it false.
    known_true_less_false = _product(clauses.signed, signs)  # [M, B]
    known = _product(clauses.absolute, signs.abs())
    false_literals = (known - known_true_less_false) / 2
    deduce = clauses.width - false_literals == 1  # [M, B]
    is_open = (known + known_true_less_false == 0) if open_only else None  # [M, B], no literal known to be true
    terms = _Terms.apply(values, deduce, is_open, clauses)  # type: ignore[no-untyped-call]
    return CnfLoss(*terms)


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, threshold: float, saturated: bool) -> Tensor:
        if saturated:
            ctx.save_for_backward(x)
        return (x >= threshold).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = gradients
        if ctx.saved_tensors:
            (x,) = ctx.saved_tensors
            gradient = gradient * (x.abs() <= 1)
        return gradient, None, None


class _Terms(torch.autograd.Function):
    """Counts forward; backward what the formulas have as derivatives, written with the counts."""

    @staticmethod
    def forward(
        ctx: Any, values: Tensor, deduce: Tensor, counted: Tensor | None, clauses: ClauseMatrix
    ) -> tuple[Tensor, Tensor, Tensor]:
        true = _product(clauses.signed, values) + clauses.negative  # [M, B]
        unsat = true == 0
        sat = ~unsat
        if counted is not None:
            unsat, sat, deduce = unsat & counted, sat & counted, deduce & counted
        num_unsat, num_sat = clauses.count(unsat), clauses.count(sat)  # [P, B]
        ctx.save_for_backward(values, true, unsat, sat, deduce, num_unsat, num_sat)
        ctx.clauses = clauses
        zero = values.new_zeros(values.shape[0])
        num_deduced = (unsat & deduce).sum(0).to(values.dtype)
        return num_deduced / clauses.num_parts, (num_unsat > 0).to(values.dtype).mean(0), zero

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        values, true, unsat, sat, deduce, num_unsat, num_sat = ctx.saved_tensors
        clauses: ClauseMatrix = ctx.clauses
        of_deduce, of_unsat, of_keep = (gradient / clauses.num_parts for gradient in gradients)  # [B] each
        share_unsat = (of_unsat / num_unsat.clamp(min=1)).index_select(0, clauses.part)  # [M, B]
        share_sat = (of_keep / num_sat.clamp(min=1)).index_select(0, clauses.part)
        # The derivative by literal j of clause i is base_i + change_i * L_ij: of a false literal, and what differs for
        # a true one. A deducing clause also feels its literal when that is the only true one.
        base = sat * share_sat - unsat * (share_unsat + deduce * of_deduce)  # [M, B]
        change = -2 * sat * share_sat - (deduce & (true == 1)) * of_deduce
        by_base = _product(clauses.signed_transposed, base.t())
        by_change = _product(clauses.absolute_transposed, change.t())
        by_signed_change = _product(clauses.signed_transposed, change.t())
        # Of the atoms: negated literals have the value 1 - v and the opposite sign.
        gradient = by_base.t() + values * by_change.t() - (by_change - by_signed_change).t() / 2
        return gradient, None, None, None


def _product(matrix: Tensor, rows: Tensor) -> Tensor:
    """Return ``matrix @ rows.T``, float[M, B] from sparse float[M, n] and float[B, n]."""
    return torch.sparse.mm(matrix, rows.t())
