"""A model that everybody proves at once, for suites that solve models of the zoo."""

from __future__ import annotations

from ortools.sat.python import cp_model

from benchmarks.instances.zoo import BrokenRuleError, ZooModel
from benchmarks.instances.zoo.zoo_model import Value


def fewest_coins(amount: int) -> ZooModel:
    """The fewest coins that make an amount."""
    coin = [1, 5, 12]
    model = cp_model.CpModel()
    paid = [model.new_int_var(0, 20, f"paid[{c}]") for c in coin]
    model.add(cp_model.LinearExpr.weighted_sum(paid, coin) == amount)
    model.minimize(sum(paid))

    def check(value: Value) -> int:
        if sum(c * value(p) for c, p in zip(coin, paid, strict=True)) != amount:
            raise BrokenRuleError("the coins make the amount")
        return sum(map(value, paid))

    return ZooModel(model, check)
