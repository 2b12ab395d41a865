from __future__ import annotations

import numpy as np
import pytest

from nnsearch.history.compression import compress, compress_numbers, decompress, decompress_numbers

NOISE = np.random.default_rng(0).bytes(3_000_000)


@pytest.mark.parametrize("size", [0, 1, 100, 10_000, 3_000_000])
def test_a_difference_is_small_whatever_the_size(size: int) -> None:
    base = NOISE[:size]
    content = base[: size // 2] + b"something new" + base[size // 2 :]
    difference = compress(content, base)
    assert len(difference) < 400 + size / 500
    assert decompress(difference, len(content), base) == content


def test_the_difference_to_another_base_is_refused() -> None:
    difference = compress(NOISE[:9000], NOISE[:10_000])
    for base in (None, NOISE[:9999], NOISE[-10_000:]):
        with pytest.raises(ValueError, match="damaged"):
            decompress(difference, 9000, base)


@pytest.mark.parametrize(
    ("numbers", "width"),
    [
        ([], 1),
        ([0, -1, 127, -128], 1),
        ([128, -32768], 2),
        ([-(2**31)], 4),
        ([2**63 - 1, -(2**63)], 8),
    ],
)
def test_numbers_take_as_few_bytes_as_the_largest_needs(numbers: list[int], width: int) -> None:
    packed = compress_numbers(np.array(numbers, dtype=np.int64))
    assert packed[0] == width
    assert decompress_numbers(packed, len(numbers)).tolist() == numbers


def test_few_large_numbers_among_small_ones_cost_little() -> None:
    values = np.random.default_rng(0).integers(0, 2, 10_000)
    values[::1000] = 2**40
    assert len(compress_numbers(values)) < 2500
