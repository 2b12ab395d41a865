from __future__ import annotations

from itertools import islice

import pytest

from nnsearch.cp.restarts import Restarts, luby
from nnsearch.errors import ConfigError


def test_the_sequence_of_luby() -> None:
    def by_definition(i: int) -> int:
        """Luby, Sinclair and Zuckerman 1993, equation 1."""
        k = i.bit_length()
        return 2 ** (k - 1) if i == 2**k - 1 else by_definition(i - 2 ** (k - 1) + 1)

    assert list(islice(luby(), 15)) == [1, 1, 2, 1, 1, 2, 4, 1, 1, 2, 1, 1, 2, 4, 8]
    assert list(islice(luby(), 1000)) == [by_definition(i) for i in range(1, 1001)]


def test_the_lengths_of_runs() -> None:
    assert list(islice(Restarts(10, growth=2.0).run_lengths(), 4)) == [10, 20, 40, 80]
    assert list(islice(Restarts(10, schedule="luby").run_lengths(), 7)) == [10, 10, 20, 10, 10, 20, 40]


def test_wrong_schedules_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"^Restarts\.schedule: expected one of geometric, luby, got 'linear'$"):
        Restarts(schedule="linear")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"^Restarts\.growth: has no meaning for the schedule luby; leave it out$"):
        Restarts(growth=2.0, schedule="luby")
