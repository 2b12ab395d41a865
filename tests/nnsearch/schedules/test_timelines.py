"""What is taken of a resource: whoever looks for room meets what is full at once, and not interval by interval."""

from __future__ import annotations

from random import Random

import pytest

from nnsearch.schedules.timelines import timeline


@pytest.mark.parametrize("capacity", [1, 3])
def test_what_lies_behind_many_intervals_without_a_gap_is_found_in_a_few_steps(capacity: int) -> None:
    rng, steps, count = Random(1), list[int](), 1000

    class Counted(int):
        """The steps of a search are sums with a duration, and comparisons with what is left."""

        def __radd__(self, other: int) -> int:
            steps.append(1)
            return other + int(self)

        def __rsub__(self, other: int) -> Counted:
            return Counted(other - int(self))

        def __lt__(self, other: int) -> bool:
            steps.append(1)
            return int(self) < other

    line, free = timeline(capacity), [0] * capacity  # from when on each unit is free
    for _ in range(count):
        duration = rng.randint(1, 9)
        time = line.first(0, Counted(duration), Counted(1))
        line.take(time, duration, 1)
        assert time == min(free)
        free[free.index(time)] += duration
    assert len(steps) < 10 * count


def test_what_takes_no_time_fits_between_two_intervals_that_touch() -> None:
    line = timeline(1)
    for begin in (0, 4, 8):
        line.take(begin, 4, 1)
    assert [line.first(time, 0, 1) for time in (0, 1, 4, 5, 9)] == [0, 4, 4, 8, 12]
    line.take(20, 0, 1)
    assert [line.first(time, 5, 1) for time in (0, 15, 16, 20)] == [12, 15, 20, 20]
