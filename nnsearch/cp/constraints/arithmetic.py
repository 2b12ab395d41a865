"""Products, divisions, remainders and maxima of expressions."""

from __future__ import annotations

from typing import Any

from ortools.constraint_solver import pywrapcp

from nnsearch.cp.constraints.enforcement import Enforcement
from nnsearch.cp.constraints.engine_model import EngineModel, check_magnitude, magnitude
from nnsearch.errors import TranslationError


def add_product(model: EngineModel, argument: Any, enforcement: Enforcement) -> None:
    """Add ``target == product of the expressions``; the empty product is 1."""
    factors = model.affines(argument.exprs)
    product = factors[0] if factors else model.solver.IntConst(1)
    for factor in factors[1:]:
        check_magnitude(magnitude(product) * magnitude(factor))
        product = (model.factor(product) * model.factor(factor)).Var()
    enforcement.equate(model.affine(argument.target), product)


def add_division(model: EngineModel, argument: Any, enforcement: Enforcement) -> None:
    """Add ``target == exprs[0] / exprs[1]``, rounded towards zero."""
    dividend, divisor = _operands(model, argument)
    enforcement.equate(model.affine(argument.target), _quotient(dividend, divisor))


def add_modulo(model: EngineModel, argument: Any, enforcement: Enforcement) -> None:
    """Add ``target == exprs[0] % exprs[1]``, with the sign of the dividend."""
    dividend, divisor = _operands(model, argument)
    check_magnitude(2 * magnitude(dividend) + magnitude(divisor))
    # The engine's own remainder has the sign of the divisor.
    remainder = (dividend - model.factor(_quotient(dividend, divisor)) * divisor).Var()
    largest = magnitude(divisor) - 1
    lowest, highest = max(min(dividend.Min(), 0), -largest), min(max(dividend.Max(), 0), largest)
    model.solver.Add(model.solver.BetweenCt(remainder, lowest, highest))
    enforcement.equate(model.affine(argument.target), remainder)


def add_maximum(model: EngineModel, argument: Any, enforcement: Enforcement) -> None:
    """Add ``target == maximum of the expressions``; there is none of no expressions."""
    expressions = model.affines(argument.exprs)
    if not expressions:
        enforcement.require()
        return
    if len(expressions) == 2 and _are_opposite(*argument.exprs):
        # The engine bounds an absolute value better than the maximum of an expression and its opposite.
        maximum = abs(expressions[0]).Var()
    else:
        maximum = model.solver.Max(expressions).Var()
    enforcement.equate(model.affine(argument.target), maximum)


def _operands(model: EngineModel, argument: Any) -> tuple[pywrapcp.IntVar, pywrapcp.IntVar]:
    dividend, divisor = model.affines(argument.exprs)
    if divisor.Contains(0):
        raise TranslationError("expected a divisor that cannot be 0, its domain contains it")
    return dividend, divisor


def _quotient(dividend: pywrapcp.IntVar, divisor: pywrapcp.IntVar) -> pywrapcp.IntVar:
    return (dividend // (divisor.Min() if divisor.Bound() else divisor)).Var()


def _are_opposite(first: Any, second: Any) -> bool:
    return (
        list(first.vars) == list(second.vars)
        and all(a == -b for a, b in zip(first.coeffs, second.coeffs, strict=True))
        and first.offset == -second.offset
    )
