"""Puzzles: all_different, sums, products, tables of lengths, and two that have no solution."""

from __future__ import annotations

from itertools import combinations, pairwise, product
from random import Random

from ortools.sat.python import cp_model

from benchmarks.instances.zoo.rules import apart, require
from benchmarks.instances.zoo.zoo_model import Size, Value, ZooModel


def magic_square(size: Size, rng: Random) -> ZooModel:
    """The numbers 1..n² in a square whose rows, columns and diagonals have one sum; a corner is given."""
    n = size.choose(4, 6, 8)
    total = n * (n * n + 1) // 2
    corner = rng.choice((2, 4, 6, 8)) if n == 3 else rng.randint(1, n * n)
    model = cp_model.CpModel()
    square = [[model.new_int_var(1, n * n, f"square[{i},{j}]") for j in range(n)] for i in range(n)]
    model.add_all_different(number for row in square for number in row)
    for i in range(n):
        model.add(sum(square[i]) == total)
        model.add(sum(row[i] for row in square) == total)
    model.add(sum(square[i][i] for i in range(n)) == total)
    model.add(sum(square[i][n - 1 - i] for i in range(n)) == total)
    model.add(square[0][0] == corner)

    def check(value: Value) -> None:
        rows = [[value(number) for number in row] for row in square]
        require(rows[0][0] == corner, "the corner is given")
        require(sorted(number for row in rows for number in row) == list(range(1, n * n + 1)), "each number comes once")
        lines = [*rows, *map(list, zip(*rows, strict=True)), [rows[i][i] for i in range(n)]]
        lines.append([rows[i][n - 1 - i] for i in range(n)])
        require(all(sum(line) == total for line in lines), "all lines have one sum")

    return ZooModel(model, check)


def quasigroup(size: Size, rng: Random) -> ZooModel:
    """A Latin square with holes is filled; how much the diagonal is worth is maximised."""
    n = size.choose(9, 30, 36)
    names, rows, columns = (rng.sample(range(n), n) for _ in range(3))
    planted = [[names[(i + j) % n] for j in columns] for i in rows]
    given = {(i, j): planted[i][j] for i, j in product(range(n), repeat=2) if rng.random() < 0.45}
    worth = [rng.randint(1, 20) for _ in range(n)]
    model = cp_model.CpModel()
    cell = [[model.new_int_var(0, n - 1, f"cell[{i},{j}]") for j in range(n)] for i in range(n)]
    for i in range(n):
        model.add_all_different(cell[i])
        model.add_all_different(row[i] for row in cell)
    for (i, j), number in given.items():
        model.add(cell[i][j] == number)
    gain = [model.new_int_var(1, 20, f"gain[{i}]") for i in range(n)]
    for i in range(n):
        model.add_element(cell[i][i], worth, gain[i])
    model.maximize(sum(gain))

    def check(value: Value) -> int:
        square = [[value(c) for c in row] for row in cell]
        require(all(square[i][j] == number for (i, j), number in given.items()), "what is given stays")
        for line in [*square, *map(list, zip(*square, strict=True))]:
            require(sorted(line) == list(range(n)), "each number comes once in each row and column")
        return sum(worth[square[i][i]] for i in range(n))

    return ZooModel(model, check)


def golomb_ruler(size: Size, rng: Random) -> ZooModel:
    """Marks on a ruler whose distances all differ; one distance is forbidden, and the length is minimised."""
    marks = size.choose(6, 9, 10)
    longest, forbidden = marks * marks, rng.randint(1, marks)
    model = cp_model.CpModel()
    mark = [model.new_int_var(0, longest, f"mark[{i}]") for i in range(marks)]
    model.add(mark[0] == 0)
    for a, b in pairwise(mark):
        model.add(a < b)
    distances = []
    for i, j in combinations(range(marks), 2):
        distances.append(model.new_int_var(1, longest, f"distance[{i},{j}]"))
        model.add(distances[-1] == mark[j] - mark[i])
        model.add(distances[-1] != forbidden)
    model.add_all_different(distances)
    model.add(distances[0] < distances[-1])
    model.add_decision_strategy(mark, cp_model.CHOOSE_FIRST, cp_model.SELECT_MIN_VALUE)
    model.minimize(mark[-1])

    def check(value: Value) -> int:
        at = [value(m) for m in mark]
        lengths = [b - a for a, b in combinations(at, 2)]
        require(lengths[0] < lengths[-1], "of a ruler and its mirror image one is chosen")
        require(at[0] == 0 and all(a < b for a, b in pairwise(at)), "marks ascend from 0")
        require(len(set(lengths)) == len(lengths), "all distances differ")
        require(forbidden not in lengths, "one distance is forbidden")
        return at[-1]

    return ZooModel(model, check)


def queens(size: Size, rng: Random) -> ZooModel:
    """Queens that do not attack each other, at the cheapest places of a board with prices."""
    n = size.choose(8, 14, 17)
    price = [[rng.randint(1, 60) for _ in range(n)] for _ in range(n)]
    model = cp_model.CpModel()
    row = [model.new_int_var(0, n - 1, f"row[{c}]") for c in range(n)]
    model.add_all_different(row)
    model.add_all_different(row[c] + c for c in range(n))
    model.add_all_different(row[c] - c for c in range(n))
    paid = [model.new_int_var(1, 60, f"paid[{c}]") for c in range(n)]
    for c in range(n):
        model.add_element(row[c], price[c], paid[c])
    model.minimize(sum(paid))

    def check(value: Value) -> int:
        at = [value(r) for r in row]
        for (c, r), (d, s) in combinations(enumerate(at), 2):
            require(r != s and abs(r - s) != d - c, "no two queens attack each other")
        return sum(price[c][r] for c, r in enumerate(at))

    return ZooModel(model, check)


def langford(size: Size, rng: Random) -> ZooModel:
    """Two of each number k in a row, with k others in between; where a number stands is the inverse of what stands."""
    n = size.choose(8, 40, 60)
    number = rng.sample(range(1, n + 1), n)
    model = cp_model.CpModel()
    place = [model.new_int_var(0, 2 * n - 1, f"place[{i}]") for i in range(2 * n)]
    stands = [model.new_int_var(0, 2 * n - 1, f"stands[{i}]") for i in range(2 * n)]
    model.add_inverse(place, stands)
    for i, k in enumerate(number):
        model.add(place[2 * i + 1] == place[2 * i] + k + 1)

    def check(value: Value) -> None:
        at = [value(p) for p in place]
        require(sorted(at) == list(range(2 * n)), "each place has one number")
        apart = all(at[2 * i + 1] - at[2 * i] == k + 1 for i, k in enumerate(number))
        require(apart, "there are k others between two that are k")

    return ZooModel(model, check)


def pigeons(size: Size, rng: Random) -> ZooModel:
    """One pigeon more than holes, as clauses of pairs, and some dislike some holes: there is no solution."""
    holes = size.choose(6, 8, 9)
    dislike = {(rng.randrange(holes + 1), rng.randrange(holes)) for _ in range(2)}
    model = cp_model.CpModel()
    sits = [[model.new_bool_var(f"sits[{p},{h}]") for h in range(holes)] for p in range(holes + 1)]
    for p, row in enumerate(sits):
        model.add_bool_or(literal for h, literal in enumerate(row) if (p, h) not in dislike)
    for one, other in combinations(sits, 2):
        for h in range(holes):
            model.add_bool_or(~one[h], ~other[h])

    def check(value: Value) -> None:
        for p, row in enumerate(sits):
            content = any(value(literal) for h, literal in enumerate(row) if (p, h) not in dislike)
            require(content, "each pigeon sits in a hole that it likes")
        for h in range(holes):
            require(sum(value(row[h]) for row in sits) <= 1, "no two pigeons sit in one hole")

    return ZooModel(model, check, satisfiable=False)


def rods(size: Size, rng: Random) -> ZooModel:
    """Rods of length 4 that would just fill a floor, by their area; neither side is a multiple of 4, so none can."""
    sides = size.choose((2, 10), (6, 10), (6, 12))
    number, lies_first = sides[0] * sides[1] // 4, rng.random() < 0.5
    model = cp_model.CpModel()
    lies = [model.new_bool_var(f"lies[{r}]") for r in range(number)]
    place = [[model.new_int_var(0, side - 1, f"place[{r},{a}]") for a, side in enumerate(sides)] for r in range(number)]
    across: list[cp_model.IntervalVar] = []
    upward: list[cp_model.IntervalVar] = []
    for r in range(number):
        if r:  # rods are alike
            before, after = (sides[1] * x + y for x, y in place[r - 1 : r + 1])
            model.add(before < after)
        for literal, lengths in ((lies[r], (4, 1)), (~lies[r], (1, 4))):
            for intervals, at, length, side in zip((across, upward), place[r], lengths, sides, strict=True):
                model.add(at <= side - length).only_enforce_if(literal)
                intervals.append(model.new_optional_fixed_size_interval_var(at, length, literal, f"rod[{r}]"))
    model.add_no_overlap_2d(across, upward)
    model.add(lies[0] == lies_first)

    def check(value: Value) -> None:
        require(bool(value(lies[0])) == lies_first, "how the first rod lies is given")
        rectangles = []
        for literal, (x, y) in zip(lies, place, strict=True):
            length, width = (4, 1) if value(literal) else (1, 4)
            rectangles.append(((value(x), value(x) + length), (value(y), value(y) + width)))
        order = [(x, y) for (x, _), (y, _) in rectangles]
        require(all(a < b for a, b in pairwise(order)), "rods come in the order of their places")
        inside = all(x[1] <= sides[0] and y[1] <= sides[1] for x, y in rectangles)
        require(inside and apart(rectangles), "rods are on the floor, and no two overlap")

    return ZooModel(model, check, satisfiable=False)


def factors(size: Size, rng: Random) -> ZooModel:
    """Two numbers of equal remainders by 6 whose product is given, and whose difference is the least."""
    digits = size.choose(4, 6, 7)
    a = rng.randrange(10 ** (digits - 1), 10**digits)
    b = a + 6 * rng.randint(1, a // 12)
    model = cp_model.CpModel()
    p, q = model.new_int_var(2, a * b, "p"), model.new_int_var(2, a * b, "q")
    rest = model.new_int_var(0, 5, "rest")
    model.add_multiplication_equality(a * b, [p, q])
    model.add_modulo_equality(rest, p, 6)
    model.add_modulo_equality(rest, q, 6)
    model.add(p <= q)
    model.minimize(q - p)

    def check(value: Value) -> int:
        low, high = value(p), value(q)
        require(low <= high, "the smaller number is the first")
        require(low % 6 == high % 6, "the remainders by 6 are equal")
        require(low * high == a * b, "the product is given")
        return high - low

    return ZooModel(model, check)
