from __future__ import annotations

import pytest

from nnsearch.result import all_digits


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1234567.0, "1234567"),
        (-123456789012345.0, "-123456789012345"),
        (0.0, "0"),
        (0.1 * 3, "0.3"),
        (1234567.25, "1234567.25"),
        (float("-inf"), "-inf"),
        (1e300, "1e+300"),
    ],
)
def test_numbers_have_all_their_digits(value: float, text: str) -> None:
    assert all_digits(value) == text
