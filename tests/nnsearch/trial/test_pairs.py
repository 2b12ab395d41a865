from __future__ import annotations

from nnsearch.result import Status
from nnsearch.trial.arms import TrialRun
from nnsearch.trial.pairs import INTEGRAL_SLACK, SECONDS_SLACK, paired_costs, rotated


def test_each_turn_begins_with_another_arm() -> None:
    assert [rotated("abc", turn) for turn in range(4)] == [list("abc"), list("bca"), list("cab"), list("abc")]


def test_pairs_are_compared_by_seconds_where_either_is_decided_and_else_by_the_integral() -> None:
    proved = TrialRun(Status.OPTIMAL, 2.0, [(1.0, 5.0)])
    early = TrialRun(Status.FEASIBLE, 10.0, [(1.0, 5.0)])
    late = TrialRun(Status.FEASIBLE, 9.5, [(6.0, 5.0)])
    nothing = TrialRun(Status.UNKNOWN, 10.5, [])
    assert paired_costs(proved, late, 5.0, 10.0) == (2.0, 10.0, SECONDS_SLACK)  # a run that has not counts as the limit
    assert paired_costs(nothing, proved, 5.0, 10.0) == (10.0, 2.0, SECONDS_SLACK)
    assert paired_costs(early, nothing, None, 10.0) == (10.0, 10.0, SECONDS_SLACK)
    assert paired_costs(early, late, 5.0, 10.0) == (0.1, 0.6, INTEGRAL_SLACK)
    assert paired_costs(nothing, early, 5.0, 10.0) == (1.0, 0.1, INTEGRAL_SLACK)
