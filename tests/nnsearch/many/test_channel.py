from __future__ import annotations

import numpy as np
import pytest

from nnsearch.many.channel import Channel


@pytest.mark.parametrize("by_memory", [False, True])
def test_messages_of_any_size_arrive_as_they_were_sent(by_memory: bool) -> None:
    here, arguments = Channel.pair()
    there = Channel(*arguments)
    for sender, receiver in ((here, there), (there, here)):
        for size in (0, 3, 5000, 20):
            numbers = np.arange(2 * size, dtype=np.float32).reshape(2, size)
            sender.send([numbers, numbers.T[::-1], "text"], by_memory=by_memory)
            first, second, text = receiver.receive()
            np.testing.assert_array_equal(first, numbers)
            np.testing.assert_array_equal(second, numbers.T[::-1])
            assert text == "text"
            assert first.dtype == np.float32
    here.close()
    with pytest.raises(EOFError):
        there.receive()
    assert not there.is_whole
    there.close()
