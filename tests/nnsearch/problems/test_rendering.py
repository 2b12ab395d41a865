from __future__ import annotations

import re

import numpy as np
import pytest
from stand_ins import latin_square, with_holes

from nnsearch.problems.rendering import render_square


@pytest.mark.parametrize("order", [1, 3, 10, 12])
def test_reads_back(order: int) -> None:
    square = latin_square(order, 0)
    lines = render_square(square, np.zeros_like(square), colour=False).splitlines()
    np.testing.assert_array_equal([[int(word) for word in line.split()] for line in lines], square)
    assert len({len(line) for line in lines}) == 1


def test_what_was_filled_in_is_coloured() -> None:
    square = latin_square(10, 0)
    grid = with_holes(square, 40, 0)
    text = render_square(square, grid, colour=True)
    coloured = re.findall(r"\x1b\[36m( *\d+)\x1b\[0m", text)
    assert [int(value) for value in coloured] == square[grid == 0].tolist()
    plain = re.sub(r"\x1b\[\d+m", "", text)
    assert plain == render_square(square, grid, colour=False)
    assert "\x1b" not in plain


def test_a_hole_is_a_dot() -> None:
    assert render_square(np.array([[1, 0], [0, 0]]), np.array([[1, 0], [0, 0]]), colour=False) == "1 .\n. ."
