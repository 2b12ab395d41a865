"""What the checkers of the zoo are made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate, combinations, pairwise

from nnsearch.errors import NNSearchError

Span = tuple[int, int]
"""Begin and end of something that takes time or place."""


class BrokenRuleError(NNSearchError, ValueError):
    """Values break a rule of an instance."""


def require(holds: bool, rule: str) -> None:
    """Check a rule.

    Raises:
        BrokenRuleError: it does not hold; the message is the rule.
    """
    if not holds:
        raise BrokenRuleError(rule)


def disjoint(spans: Iterable[Span]) -> bool:
    """Tell whether no two spans overlap; what takes no time overlaps nothing."""
    ordered = sorted(span for span in spans if span[1] > span[0])
    return all(before[1] <= after[0] for before, after in pairwise(ordered))


def peak(uses: Sequence[tuple[Span, int]]) -> int:
    """Return the largest sum of the amounts that are used at one time; 0 where nothing is used."""
    changes = [(end, -amount) for (_, end), amount in uses] + [(begin, amount) for (begin, _), amount in uses]
    return max(accumulate(change for _, change in sorted(changes)), default=0)  # what ends makes room first


def apart(rectangles: Sequence[tuple[Span, Span]]) -> bool:
    """Tell whether no two rectangles overlap."""

    def overlap(one: Span, other: Span) -> bool:
        return one[0] < other[1] and other[0] < one[1]

    return not any(overlap(a[0], b[0]) and overlap(a[1], b[1]) for a, b in combinations(rectangles, 2))


def walk(arcs: Iterable[tuple[int, int]], start: int) -> list[int]:
    """Follow arcs from a place until it is met again, and return the places in between, the first one first.

    Raises:
        BrokenRuleError: not exactly one arc leaves a place on the way, or a place is met twice.
    """
    leaving: dict[int, list[int]] = {}
    for tail, head in arcs:
        leaving.setdefault(tail, []).append(head)
    way = [start]
    while True:
        heads = leaving.get(way[-1], [])
        require(len(heads) == 1, "one way leaves each place on a tour")
        if heads[0] == start:
            return way
        require(heads[0] not in way, "a tour visits no place twice")
        way.append(heads[0])
