"""Linear programs as CpModels: the same solutions and the same objective, or a refusal by name."""

from __future__ import annotations

import importlib
import math
from decimal import Decimal
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ortools.sat.python import cp_model

from nnsearch.errors import InstanceError
from nnsearch.problems import read_problem
from nnsearch.problems.cp_model.linear_formats import read_lp, read_mps
from nnsearch.problems.cp_model.mixed_integer import DecimalRow, MixedIntegerProgram

INFINITE = math.inf
decimals = st.integers(-30, 30).map(lambda n: n / 10) | st.sampled_from([0.25, -0.125, 1e-3, 100.0, 0.3333])
bounds = st.tuples(st.integers(-3, 2), st.integers(0, 3)).map(lambda b: (float(b[0]), float(b[0] + b[1])))


@st.composite
def programs(draw: st.DrawFn) -> MixedIntegerProgram:
    count = draw(st.integers(1, 4))
    box = [draw(bounds) for _ in range(count)]
    rows = []
    for i in range(draw(st.integers(0, 4))):
        least, most = sorted((draw(decimals), draw(decimals)))
        kind = draw(st.sampled_from("LGEN R"))
        lower = -INFINITE if kind in "LN" else least
        upper = INFINITE if kind in "GN" else lower if kind == "E" else most
        chosen = draw(st.lists(st.integers(0, count - 1), unique=True))
        rows.append(DecimalRow(f"r{i}", lower, upper, [(v, draw(decimals)) for v in chosen]))
    objective = [(v, draw(decimals)) for v in range(count)]
    sense = draw(st.booleans())
    names, low, high = [f"x{v}" for v in range(count)], [b[0] for b in box], [b[1] for b in box]
    return MixedIntegerProgram(names, low, high, [True] * count, rows, objective, draw(decimals), sense)


def exact(value: float) -> Fraction:
    return Fraction(repr(value))


def sum_of(terms: Any, values: tuple[int, ...]) -> Fraction:
    return sum((exact(c) * values[v] for v, c in terms), Fraction(0))


def brute_force(program: MixedIntegerProgram) -> dict[tuple[int, ...], Fraction]:
    """Return the objective of every solution."""
    ranges = [range(int(low), int(high) + 1) for low, high in zip(program.lower, program.upper, strict=True)]
    return {
        values: sum_of(program.objective, values) + exact(program.offset)
        for values in product(*ranges)
        if all(
            (row.lower == -INFINITE or exact(row.lower) <= sum_of(row.terms, values))
            and (row.upper == INFINITE or sum_of(row.terms, values) <= exact(row.upper))
            for row in program.rows
        )
    }


def as_mps(program: MixedIntegerProgram) -> str:
    rows, columns, ranges, bounds = ["ROWS", " N cost"], [], [], []
    sides = [f" RHS cost {-program.offset!r}"]
    for row in program.rows:
        free = row.lower == -INFINITE and row.upper == INFINITE
        kind = "N" if free else "L" if row.lower == -INFINITE else "E" if row.lower == row.upper else "G"
        rows.append(f" {kind} {row.name}")
        sides += [] if free else [f" RHS {row.name} {(row.upper if kind == 'L' else row.lower)!r}"]
        if kind == "G" and row.upper < INFINITE:
            ranges.append(f" RNG {row.name} {Decimal(repr(row.upper)) - Decimal(repr(row.lower))}")
    for v, name in enumerate(program.names):
        columns.append(f" {name} cost {program.objective[v][1]!r}")
        columns += [f" {name} {row.name} {c!r}" for row in program.rows for w, c in row.terms if w == v]
        bounds += [f" LO BND {name} {program.lower[v]!r}", f" UP BND {name} {program.upper[v]!r}"]
    sense = "    MAX" if program.maximises else "    MIN"
    marked = ["COLUMNS", " M1 'MARKER' 'INTORG'", *columns, " M2 'MARKER' 'INTEND'"]
    parts = ["NAME", "OBJSENSE", sense, *rows, *marked, "RHS", *sides, "RANGES", *ranges, "BOUNDS", *bounds, "ENDATA"]
    return "\n".join(parts) + "\n"


class Collector(cp_model.CpSolverSolutionCallback):  # type: ignore[misc]
    def __init__(self, variables: list[cp_model.IntVar]) -> None:
        super().__init__()
        self.variables = variables
        self.found: set[tuple[int, ...]] = set()

    def on_solution_callback(self) -> None:
        self.found.add(tuple(self.value(v) for v in self.variables))


def check_same(model: cp_model.CpModel, expected: dict[tuple[int, ...], Fraction], maximises: bool) -> None:
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    status = solver.solve(model)
    assert (status == cp_model.OPTIMAL) == bool(expected)
    if expected:
        best = max(expected.values()) if maximises else min(expected.values())
        assert solver.objective_value == pytest.approx(float(best), abs=1e-9)
    feasible = model.clone()
    feasible.clear_objective()
    solver.parameters.enumerate_all_solutions = True
    solver.parameters.keep_all_feasible_solutions_in_presolve = True
    collector = Collector([feasible.get_int_var_from_proto_index(i) for i in range(len(feasible.proto.variables))])
    solver.solve(feasible, collector)
    assert collector.found == set(expected)


@settings(max_examples=60)
@given(program=programs())
def test_same_solutions_and_objective(program: MixedIntegerProgram) -> None:
    check_same(program.to_cp_model(), brute_force(program), program.maximises)


@settings(max_examples=40)
@given(program=programs())
def test_mps_says_the_same(program: MixedIntegerProgram) -> None:
    read = read_mps(Path("x.mps"), as_mps(program))
    check_same(read.to_cp_model(), brute_force(program), program.maximises)


def test_a_range_is_a_width_that_no_double_holds() -> None:
    """0.1 + 0.7 is less than 0.8 in floating-point numbers."""
    row = DecimalRow("r", 0.1, 0.8, [(0, 0.1)])
    program = MixedIntegerProgram(["x"], [0], [9], [True], [row], [(0, 1)], maximises=True)
    check_same(read_mps(Path("x.mps"), as_mps(program)).to_cp_model(), brute_force(program), True)


@pytest.mark.parametrize(
    ("lower", "upper", "kind"),
    [
        *((*bounds, kind) for bounds in ((-1.0, 0.001), (-2.8, 0.001), (-0.001, 1.0), (0.1, 0.8)) for kind in "GL"),
        (1e-20, 1000.0, "G"),  # what is given stays, however small
    ],
)
def test_a_bound_that_is_a_sum_is_the_decimal_that_is_meant(lower: float, upper: float, kind: str) -> None:
    """-1 and a width of 1.001 are less than .001 in floating-point numbers."""
    width = Decimal(repr(upper)) - Decimal(repr(lower))
    row = DecimalRow("r0", lower, upper, [(0, 1.0)])
    text = as_mps(MixedIntegerProgram(["x"], [0], [9], [True], [row], [(0, 1.0)]))
    if kind == "L":
        text = text.replace(" G r0", " L r0").replace(f" RHS r0 {lower!r}", f" RHS r0 {upper!r}")
    assert f" RNG r0 {width}" in text
    (read,) = read_mps(Path("x.mps"), text).rows
    assert (read.lower, read.upper) == (lower, upper)


@given(upper=st.integers(1, 9), first=st.integers(1, 5), second=st.integers(1, 5))
def test_bounds_that_only_rows_imply(upper: int, first: int, second: int) -> None:
    """x - y >= 0, first x + second y <= upper: x is bounded once y is, from below."""
    rows = [DecimalRow("", -INFINITE, upper, [(0, first), (1, second)]), DecimalRow("", 0, INFINITE, [(0, 1), (1, -1)])]
    open_ones = MixedIntegerProgram(["x", "y"], [0, 0], [INFINITE, INFINITE], [True, True], rows)
    closed = MixedIntegerProgram(["x", "y"], [0, 0], [upper, upper], [True, True], rows)
    check_same(open_ones.to_cp_model(), brute_force(closed), False)


def test_no_value_that_the_rows_leave_is_infeasible() -> None:
    program = MixedIntegerProgram(["x"], [0], [INFINITE], [True], [DecimalRow("", -INFINITE, -1, [(0, 1)])])
    assert cp_model.CpSolver().solve(program.to_cp_model()) == cp_model.INFEASIBLE


def test_a_sum_of_integers_needs_no_declaration() -> None:
    rows = [DecimalRow("cost", 0, 0, [(0, 1.5), (1, -0.5)]), DecimalRow("more", 2, 2, [(1, 1), (2, 1)])]
    program = MixedIntegerProgram(["x", "cost", "rest"], [0, -1e30, -9.5], [3, 1e30, 9.5], [True, False, False], rows)
    model = program.to_cp_model()
    closed = MixedIntegerProgram(["x", "cost", "rest"], [0, -9, -9], [3, 9, 9], [True] * 3, rows)
    check_same(model, brute_force(closed), False)


ONE = MixedIntegerProgram(["x", "y"], [0, 0], [5, 5], [True, True], [])
REFUSED = [
    ({"integer": [True, False]}, "expected integer variables, y is continuous"),
    ({"integer": [False, False], "names": ["", "y"]}, r"v0 \(and 1 more\) is continuous"),
    (
        {"integer": [True, False], "rows": [DecimalRow("r", 0, 0, [(0, 1), (1, 2)])]},
        "expected integer variables, y is continuous",
    ),
    ({"upper": [5, 1e30]}, "expected bounds for every variable, y has no upper one and the rows imply none"),
    ({"lower": [-INFINITE, 0]}, "x has no lower one"),
    ({"upper": [-2, 5]}, r"expected bounds with an integer between, x has 0\.\.-2"),
    ({"lower": [0.2, 0], "upper": [0.8, 5]}, r"x has 0\.2\.\.0\.8"),
    ({"upper": [5, 1e18]}, r"expected bounds below 2\*\*53, y has"),
    ({"rows": [DecimalRow("big", 0, 1, [(0, 1 / 3), (1, 1e3)])]}, "those of row big need"),
    ({"objective": [(0, math.pi), (1, 1e5)]}, "those of the objective need"),
    (
        {"upper": [2**52, 5], "rows": [DecimalRow("long", 0, 1, [(0, 2**20), (1, 1)])]},
        r"expected rows whose sum stays below 2\*\*62, row long can reach",
    ),
]


@pytest.mark.parametrize(("changed", "phrase"), REFUSED)
def test_what_cp_sat_cannot_hold_is_refused_by_name(changed: dict[str, Any], phrase: str) -> None:
    program = MixedIntegerProgram(**{**vars(ONE), **changed})
    with pytest.raises(InstanceError, match=phrase):
        program.to_cp_model()


def test_bound_types() -> None:
    columns = "".join(f" x{i} c 1\n" for i in range(7))
    kinds = {
        " BV B x0": (0, 1),
        " FX B x1 4": (4, 4),
        " UI B x2 6": (0, 6),
        " MI B x3\n UP B x3 2\n LO B x3 -5": (-5, 2),
        " LO B x4 -2\n UP B x4 -1": (-2, -1),
        " LI B x5 2\n UI B x5 3": (2, 3),
    }
    text = (
        f"NAME\nROWS\n N c\nCOLUMNS\n M 'MARKER' 'INTORG'\n{columns} M 'MARKER' 'INTEND'\nRHS\n RHS c 5\nBOUNDS\n"
        + "\n".join(kinds)
        + "\nENDATA\n"
    )
    model = read_mps(Path("x.mps"), text).to_cp_model()
    domains = [tuple(variable.domain) for variable in model.proto.variables]
    assert domains == [*kinds.values(), (0, 1)]  # an integer without bounds is binary
    solver = cp_model.CpSolver()
    solver.solve(model)
    assert solver.objective_value == 4 - 5 - 2 + 2 - 5  # the right-hand side of the objective is subtracted


MALFORMED = [
    ("ROWS\n N c\nCOLUMNS\n x c 1/3\n", 4, 'expected MPS, got "x c 1/3" (Failed to convert'),
    ("hello", 1, 'expected MPS, got "hello" (Unknown section'),
    ("NAME\nROWS\n N c\nENDATA\n", None, "expected MPS with variables, got none; a cut file?"),
    ("ROWS\n N c\nCOLUMNS\n x c 1\nQUADOBJ\n x x 2\nENDATA\n", 5, 'expected MPS, got "QUADOBJ"'),
]


@pytest.mark.parametrize("mathopt_imported", [False, True])
@pytest.mark.parametrize(("text", "line", "phrase"), MALFORMED)
def test_malformed_mps_is_one_line(
    tmp_path: Path, text: str, line: int | None, phrase: str, mathopt_imported: bool
) -> None:
    if mathopt_imported:  # OR-Tools raises something else from then on; the order does not matter, no import is undone
        importlib.import_module("ortools.math_opt.python.mathopt")
    path = tmp_path / "x.mps"
    path.write_text(text)
    with pytest.raises(InstanceError) as caught:
        read_problem(path)
    place = f"{path}: " if line is None else f"{path}:{line}: "
    assert str(caught.value).startswith(place + phrase)
    assert "\n" not in str(caught.value)


def test_lp(capfd: pytest.CaptureFixture[str]) -> None:
    head = "max: 2 x + 0.5 y;\nc: x + 0.1 y <= 2.5;\n-4 <= y <= 9;\nx <= 5;\n"
    check = read_lp(Path("x.lp"), head + "x >= 0;\nint x, y;\n")
    check_same(check.to_cp_model(), brute_force(check), True)
    for text, phrase in (
        (head + "int x, y;\n", "x.lp: expected a lower bound of every variable, x has none; add it"),
        (head + "hello;\n", 'x.lp: expected LP as OR-Tools reads lp_solve\'s, got "hello"'),
        ("Maximize\n obj: x\nEnd\n", "x.lp: expected LP as lp_solve has it"),
    ):
        with pytest.raises(InstanceError) as caught:
            read_lp(Path("x.lp"), text)
        assert str(caught.value).startswith(phrase)
    assert capfd.readouterr().err == ""  # OR-Tools writes there
