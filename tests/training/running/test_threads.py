from __future__ import annotations

import os

import pytest
import torch

from training.__main__ import main
from training.running.threads import set_threads


def test_zero_threads_are_no_more_than_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    monkeypatch.setattr("training.running.threads.usable_cpus", lambda: 1)
    try:
        set_threads(3)
        assert torch.get_num_threads() == 3
        set_threads(0)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_threads_that_wait_leave_their_core_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of OpenMP spin otherwise, which makes training several times slower on a busy machine."""
    monkeypatch.setenv("OMP_WAIT_POLICY", "")
    monkeypatch.delenv("OMP_WAIT_POLICY")
    with pytest.raises(SystemExit):
        main(["--help"])
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"
