from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnsearch.encoding.one_hot import one_hot


@given(st.data(), st.integers(1, 5), st.integers(1, 6), st.integers(-3, 3))
def test_one_where_assigned(data: st.DataObject, num_variables: int, num_values: int, first_value: int) -> None:
    value = st.integers(first_value - 1, first_value + num_values - 1)  # one below: unassigned
    row = st.lists(value, min_size=num_variables, max_size=num_variables)
    values = data.draw(st.lists(row, min_size=1, max_size=4))
    encoded = one_hot(values, num_values, first_value)
    assert encoded.dtype == np.float32
    expected = [[float(v == first_value + d) for v in row for d in range(num_values)] for row in values]
    np.testing.assert_array_equal(encoded, expected)
    np.testing.assert_array_equal(encoded, np.concatenate([one_hot([row], num_values, first_value) for row in values]))


def test_an_empty_batch() -> None:
    assert one_hot(np.zeros((0, 3), dtype=np.int64), 4, 1).shape == (0, 12)


def test_misuse_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected values as \[B, V\], got shape \(3,\)"):
        one_hot([1, 2, 3], 3, 1)
    with pytest.raises(ValueError, match="expected values up to 3, got 4"):
        one_hot([[1, 4]], 3, 1)
