"""What the store holds compressed: whole numbers, names, and models. What is unpacked is no larger than was announced.

A store may come from elsewhere, so nothing in it is trusted: a size is compared with a bound and with that of the
compressed frame before any memory is taken, and frames have checksums.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt
import zstandard

MOST_BYTES = 1 << 28
"""Of anything that is unpacked: a model, a solve's solutions, the names of variables."""

_LEVEL = 3
_WINDOW_LOG = 27  # what every decompressor of zstd takes
_SMALLEST_TABLE_LOG, _LARGEST_TABLE_LOG = 12, 22
_WIDTHS = (1, 2, 4, 8)


def compress(content: bytes, base: bytes | None = None) -> bytes:
    """Compress.

    Args:
        content: what to keep.
        base: something that resembles it, and that will be at hand again; what is kept is the difference.
    """
    if base is None:
        return zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compress(content)
    # The window has to reach back to the beginning of the base all the time, and the tables to hold all of its places.
    reach, places = (len(base) + len(content)).bit_length(), len(base).bit_length()
    parameters = zstandard.ZstdCompressionParameters.from_level(
        _LEVEL,
        window_log=min(max(reach, zstandard.WINDOWLOG_MIN), _WINDOW_LOG),
        hash_log=min(max(places, _SMALLEST_TABLE_LOG), _LARGEST_TABLE_LOG),
        chain_log=min(max(places, _SMALLEST_TABLE_LOG), _LARGEST_TABLE_LOG),
        write_checksum=True,
        write_content_size=True,
    )
    return zstandard.ZstdCompressor(compression_params=parameters, dict_data=_dictionary(base)).compress(content)


def decompress(packed: bytes, size: int, base: bytes | None = None) -> bytes:
    """Return what was compressed.

    Raises:
        ValueError: it is damaged, or not of this size.
    """
    if not 0 <= size <= MOST_BYTES:
        raise ValueError(f"expected at most {MOST_BYTES} bytes, got {size}")
    try:
        announced = zstandard.frame_content_size(packed)
        if announced != size:
            raise ValueError(f"expected {size} bytes, got a frame of {announced}")
        if not size:
            return b""
        dictionary = None if base is None else _dictionary(base)
        content = zstandard.ZstdDecompressor(dict_data=dictionary, max_window_size=1 << _WINDOW_LOG).decompress(packed)
    except zstandard.ZstdError as error:
        raise ValueError(f"damaged: {error}") from None
    if len(content) != size:
        raise ValueError(f"expected {size} bytes, got {len(content)}")
    return content


def _dictionary(base: bytes) -> zstandard.ZstdCompressionDict:
    return zstandard.ZstdCompressionDict(base, dict_type=zstandard.DICT_TYPE_RAWCONTENT)


def compress_numbers(numbers: npt.NDArray[np.int64]) -> bytes:
    """Compress whole numbers, int64 of any shape: as few bytes for each as all of them need, first bytes first.

    Small numbers of either sign are small (0, -1, 1, -2 are 0, 1, 2, 3), and the bytes that are 0 stand together.
    """
    flat = np.ascontiguousarray(numbers, dtype=np.int64).reshape(-1)
    folded = ((flat << 1) ^ (flat >> 63)).view(np.uint64)
    largest = int(folded.max(initial=0))
    width = next(width for width in _WIDTHS if largest < 1 << 8 * width)
    planes = folded.astype(f"<u{width}").view(np.uint8).reshape(-1, width).T
    return bytes([width]) + compress(planes.tobytes())


def decompress_numbers(packed: bytes, count: int) -> npt.NDArray[np.int64]:
    """Return int64[count].

    Raises:
        ValueError: they are damaged, or of another count.
    """
    if not packed or packed[0] not in _WIDTHS:
        raise ValueError("expected the width of numbers")
    width = packed[0]
    planes = np.frombuffer(decompress(packed[1:], count * width), dtype=np.uint8).reshape(width, count)
    folded = np.ascontiguousarray(planes.T).view(f"<u{width}").reshape(count).astype(np.uint64)
    return (folded >> np.uint64(1)).view(np.int64) ^ -(folded & np.uint64(1)).view(np.int64)


def names_as_bytes(names: tuple[str, ...]) -> bytes:
    """Return names as bytes: their lengths in characters, then all of their characters; any names are possible."""
    lengths = np.fromiter(map(len, names), dtype="<u4", count=len(names))
    return lengths.tobytes() + "".join(names).encode("utf-8", "surrogatepass")


def names_of_bytes(content: bytes, count: int) -> tuple[str, ...]:
    """Return what :func:`names_as_bytes` was given.

    Raises:
        ValueError: they are not that many names.
    """
    if not 0 <= 4 * count <= len(content):
        raise ValueError(f"expected the lengths of {count} names")
    text = content[4 * count :].decode("utf-8", "surrogatepass")
    ends = np.cumsum(np.frombuffer(content, dtype="<u4", count=count), dtype=np.int64).tolist()
    if (ends[-1] if ends else 0) != len(text):
        raise ValueError("expected as many characters as the names have")
    return tuple(text[start:end] for start, end in zip([0, *ends], ends, strict=False))


def digest_of_names(names: tuple[str, ...]) -> str:
    """Return what tells models apart whose variables differ in number, order or name; ``""`` is no name."""
    return hashlib.sha256(names_as_bytes(names)).hexdigest()
