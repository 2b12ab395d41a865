from __future__ import annotations

import os
import signal

import pytest

from nnsearch.interrupt import DeferredInterrupt, uninterrupted


def press() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_a_call_ends_before_ctrl_c_is_heard() -> None:
    done = []

    def work(result: int) -> int:
        press()
        done.append(result)
        return result

    with pytest.raises(KeyboardInterrupt):
        uninterrupted(work, 1)
    assert done == [1]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with DeferredInterrupt() as interrupted:
        assert uninterrupted(work, 2) == 2, "who holds Ctrl-C back hears of it"
    assert interrupted()


def test_a_call_returns_what_the_function_does() -> None:
    assert uninterrupted(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        uninterrupted(divmod, 7, 0)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
