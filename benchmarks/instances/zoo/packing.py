"""Things that have to fit: no_overlap_2d, bins, knapsacks, rolls, parts of a square."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random

from ortools.sat.python import cp_model

from benchmarks.instances.zoo.rules import apart, require
from benchmarks.instances.zoo.zoo_model import Size, Value, ZooModel

_APART = "no two rectangles overlap"


def strip_packing(size: Size, rng: Random) -> ZooModel:
    """Rectangles, each of which may be turned, are packed into a strip of fixed width; its height is minimised."""
    count, width = size.choose((6, 12), (8, 15), (12, 20))
    sides = [(rng.randint(2, width // 2), rng.randint(2, width // 3)) for _ in range(count)]
    height = sum(max(side) for side in sides)
    model = cp_model.CpModel()
    top = model.new_int_var(0, height, "top")
    x = [model.new_int_var(0, width, f"x[{r}]") for r in range(count)]
    y = [model.new_int_var(0, height, f"y[{r}]") for r in range(count)]
    turned = [model.new_bool_var(f"turned[{r}]") for r in range(count)]
    across, upward = [], []
    for r, (a, b) in enumerate(sides):
        for literal, w, h in ((~turned[r], a, b), (turned[r], b, a)):
            model.add(x[r] + w <= width).only_enforce_if(literal)
            model.add(y[r] + h <= top).only_enforce_if(literal)
            across.append(model.new_optional_fixed_size_interval_var(x[r], w, literal, f"across[{r}]"))
            upward.append(model.new_optional_fixed_size_interval_var(y[r], h, literal, f"upward[{r}]"))
    model.add_no_overlap_2d(across, upward)
    model.minimize(top)

    def check(value: Value) -> int:
        placed = []
        for r, side in enumerate(sides):
            w, h = side[::-1] if value(turned[r]) else side
            placed.append(((value(x[r]), value(x[r]) + w), (value(y[r]), value(y[r]) + h)))
        within = all(across[0] >= 0 and across[1] <= width and upward[0] >= 0 for across, upward in placed)
        require(within, "rectangles are within the strip")
        require(apart(placed), _APART)
        return max(upward[1] for _, upward in placed)

    return ZooModel(model, check)


def cut_rectangle(size: Size, rng: Random) -> ZooModel:
    """A rectangle that was cut into pieces is put together again; nothing is left over, and nothing may be turned."""
    pieces, side = size.choose((9, 20), (14, 32), (16, 36))
    cut = [(side, side)]
    while len(cut) < pieces:
        w, h = cut.pop(max(range(len(cut)), key=lambda c: cut[c][0] * cut[c][1]))
        if w >= h:
            at = rng.randint(w // 3, w - w // 3)
            cut += [(at, h), (w - at, h)]
        else:
            at = rng.randint(h // 3, h - h // 3)
            cut += [(w, at), (w, h - at)]
    rng.shuffle(cut)
    model = cp_model.CpModel()
    x = [model.new_int_var(0, side - w, f"x[{p}]") for p, (w, _) in enumerate(cut)]
    y = [model.new_int_var(0, side - h, f"y[{p}]") for p, (_, h) in enumerate(cut)]
    across = [model.new_fixed_size_interval_var(x[p], cut[p][0], f"across[{p}]") for p in range(pieces)]
    upward = [model.new_fixed_size_interval_var(y[p], cut[p][1], f"upward[{p}]") for p in range(pieces)]
    model.add_no_overlap_2d(across, upward)
    model.add_cumulative(across, [h for _, h in cut], side)
    model.add_cumulative(upward, [w for w, _ in cut], side)

    def check(value: Value) -> None:
        begin = [(value(x[p]), value(y[p])) for p in range(pieces)]
        placed = [((a, a + w), (b, b + h)) for (a, b), (w, h) in zip(begin, cut, strict=True)]
        require(
            all(low >= 0 and high <= side for piece in placed for low, high in piece), "pieces are within the frame"
        )
        require(apart(placed), _APART)

    return ZooModel(model, check)


@dataclass(frozen=True)
class BinPacking:
    """Items of some weight for so many bins of one capacity, and the pairs that go never together."""

    weight: Sequence[int]
    bins: int
    capacity: int
    separate: Sequence[tuple[int, int]]


def random_bin_packing(items: int, capacity: int, rng: Random) -> BinPacking:
    """Return items, a pair of which fits into any bin."""
    weight = [rng.randint(capacity // 6, capacity // 2) for _ in range(items)]
    separate = [random_pair(items, rng) for _ in range(items // 3)]
    return BinPacking(weight, items // 2 + 2, capacity, separate)


def random_pair(items: int, rng: Random) -> tuple[int, int]:
    """Return two items, the lower one first."""
    low, high = sorted(rng.sample(range(items), 2))
    return low, high


def bin_packing(size: Size, rng: Random) -> ZooModel:
    """Items go into as few bins as possible; some go never together."""
    return bin_packing_model(random_bin_packing(*size.choose((16, 50), (80, 120), (160, 120)), rng))


def bin_packing_model(packing: BinPacking) -> ZooModel:
    """Return the model of items in bins."""
    weight, bins, capacity, separate = packing.weight, packing.bins, packing.capacity, packing.separate
    items = len(weight)
    model = cp_model.CpModel()
    within = [[model.new_bool_var(f"in[{i},{b}]") for b in range(bins)] for i in range(items)]
    used = [model.new_bool_var(f"used[{b}]") for b in range(bins)]
    for i in range(items):
        model.add_exactly_one(within[i])
    for b in range(bins):
        model.add(sum(weight[i] * within[i][b] for i in range(items)) <= capacity * used[b])
        for i, j in separate:
            model.add_at_most_one(within[i][b], within[j][b])
    for b, after in pairwise(range(bins)):
        model.add_implication(used[after], used[b])
    model.minimize(sum(used))

    def check(value: Value) -> int:
        filled = [[i for i in range(items) if value(within[i][b])] for b in range(bins)]
        fits = all(sum(weight[i] for i in some) <= capacity for some in filled)
        require(fits, "no bin is filled beyond its capacity")
        require(not any({i, j} <= set(some) for some in filled for i, j in separate), "some items go never together")
        require(sorted(i for some in filled for i in some) == list(range(items)), "each item is in one bin")
        return sum(map(bool, filled))

    return ZooModel(model, check)


@dataclass(frozen=True)
class MultiKnapsack:
    """Items with a profit, and of each side their weights and the capacity."""

    weight: Sequence[Sequence[int]]
    profit: Sequence[int]
    capacity: Sequence[int]


def random_multi_knapsack(items: int, sides: int, rng: Random) -> MultiKnapsack:
    """Return items, a third of which fit; the heavier ones tend to be worth more."""
    weight = [[rng.randint(5, 100) for _ in range(items)] for _ in range(sides)]
    profit = [sum(row[i] for row in weight) // sides + rng.randint(0, 40) for i in range(items)]
    return MultiKnapsack(weight, profit, [sum(row) // 3 for row in weight])


def multi_knapsack(size: Size, rng: Random) -> ZooModel:
    """Items with several weights are taken within several capacities; their profit is maximised."""
    return multi_knapsack_model(random_multi_knapsack(*size.choose((25, 4), (50, 7), (80, 9)), rng))


def multi_knapsack_model(knapsack: MultiKnapsack) -> ZooModel:
    """Return the model of a knapsack."""
    weight, profit, capacity = knapsack.weight, knapsack.profit, knapsack.capacity
    items = len(profit)
    model = cp_model.CpModel()
    taken = [model.new_bool_var(f"taken[{i}]") for i in range(items)]
    for row, limit in zip(weight, capacity, strict=True):
        model.add(cp_model.LinearExpr.weighted_sum(taken, row) <= limit)
    model.maximize(cp_model.LinearExpr.weighted_sum(taken, profit))

    def check(value: Value) -> int:
        chosen = [i for i in range(items) if value(taken[i])]
        fits = all(sum(row[i] for i in chosen) <= limit for row, limit in zip(weight, capacity, strict=True))
        require(fits, "no capacity is exceeded")
        return sum(profit[i] for i in chosen)

    return ZooModel(model, check)


def cutting_stock(size: Size, rng: Random) -> ZooModel:
    """Pieces of some lengths are cut from rolls, as few as possible, each with some waste at the cut."""
    lengths, rolls = size.choose((4, 7), (8, 18), (11, 30))
    roll, waste = 100, 1
    piece = sorted(rng.sample(range(14, 60), lengths))
    wanted = [0] * lengths
    for _ in range(rolls):  # what so many rolls are enough for
        left = roll
        while left >= piece[0] + waste:
            kind = rng.choice([k for k in range(lengths) if piece[k] + waste <= left])
            wanted[kind] += 1
            left -= piece[kind] + waste
    model = cp_model.CpModel()
    cut = [
        [model.new_int_var(0, min(wanted[k], roll // (piece[k] + waste)), f"cut[{r},{k}]") for k in range(lengths)]
        for r in range(rolls)
    ]
    used = [model.new_bool_var(f"used[{r}]") for r in range(rolls)]
    for r in range(rolls):
        model.add(sum((piece[k] + waste) * cut[r][k] for k in range(lengths)) <= roll * used[r])
    for r, after in pairwise(range(rolls)):
        model.add(used[r] >= used[after])
        model.add(sum(piece[k] * (cut[r][k] - cut[after][k]) for k in range(lengths)) >= 0)
    for k in range(lengths):
        model.add(sum(row[k] for row in cut) >= wanted[k])
    model.minimize(sum(used))

    def check(value: Value) -> int:
        pattern = [[value(variable) for variable in row] for row in cut]
        for row in pattern:
            length = sum((piece[k] + waste) * row[k] for k in range(lengths))
            require(min(row) >= 0 and length <= roll, "what is cut from a roll is not longer than the roll")
        require(all(sum(row[k] for row in pattern) >= wanted[k] for k in range(lengths)), "all pieces are cut")
        return sum(any(row) for row in pattern)

    return ZooModel(model, check)
