"""Exact feasibility labels: can a state, with one more candidate assigned, be completed?

For any problem that is groups of candidates of which exactly one or at most one holds, by a search for an exact cover.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from nnsearch.errors import NNSearchError
from nnsearch.interrupt import uninterrupted
from nnsearch.problems.latin_square.problem import LatinSquare

_NONE, _GIVEN_UP = -1, -2


@numba.njit(cache=True)
def _assign(candidate, structure, state, sign):  # type: ignore[no-untyped-def]
    """Assign a candidate (sign 1), or take it back (sign -1) in the opposite order of assignment.

    Return a group that was left with one possible candidate or none, -1 if there is no such group.
    """
    members, first_member, groups_of, first_group, exactly_one = structure
    satisfied, ruled_out, left = state
    tightest = -1
    for e in range(first_group[candidate], first_group[candidate + 1]):
        group = groups_of[e]
        satisfied[group] = sign == 1
        for m in range(first_member[group], first_member[group + 1]):
            other = members[m]
            before = ruled_out[other]
            ruled_out[other] += sign
            if before == 0 or ruled_out[other] == 0:
                for f in range(first_group[other], first_group[other + 1]):
                    touched = groups_of[f]
                    left[touched] -= sign
                    if left[touched] <= 1 and exactly_one[touched] and not satisfied[touched]:
                        tightest = touched
    return tightest


@numba.njit(cache=True)
def _complete(structure, state, path, first, failure_limit):  # type: ignore[no-untyped-def]
    """Complete a state; return how many candidates were added to it, in ``path[0]``, or why there are none.

    Depth-first search; the next group is the exactly-one group that has the fewest possible candidates, looked at from
    group ``first`` on (Knuth, "Dancing links", 2000, whose optional items are the at-most-one groups). The state is
    left as it was.
    """
    members, first_member, _, _, exactly_one = structure
    satisfied, ruled_out, left = state
    chosen, group_at, next_member = path
    num_groups = len(exactly_one)
    depth = failures = 0
    descend = True
    tightest = -1
    while True:
        if descend:
            best, fewest = -1, len(ruled_out) + 1
            if tightest >= 0 and not satisfied[tightest]:
                best, fewest = tightest, left[tightest]
            for place in range(first, first + num_groups if fewest > 1 else first):
                group = place if place < num_groups else place - num_groups
                if exactly_one[group] and not satisfied[group] and left[group] < fewest:
                    best, fewest = group, left[group]
                    if fewest <= 1:
                        break
            if best < 0:
                return depth
            group_at[depth], next_member[depth] = best, first_member[best]
        else:
            if depth == 0:
                return _NONE
            failures += 1
            if failures > failure_limit:
                return _GIVEN_UP
            depth -= 1
            _assign(chosen[depth], structure, state, -1)
        descend = False
        while next_member[depth] < first_member[group_at[depth] + 1]:
            candidate = members[next_member[depth]]
            next_member[depth] += 1
            if ruled_out[candidate] == 0:
                chosen[depth] = candidate
                tightest = _assign(candidate, structure, state, 1)
                depth += 1
                descend = True
                break


@numba.njit(cache=True)
def _complete_with(candidate, structure, given, state, path, failure_limit, rng):  # type: ignore[no-untyped-def]
    """Complete what is ``given`` with one more candidate, as :func:`_complete` does; it is never given up.

    The running time of one search has a heavy tail. A search that takes long is given up for one in another order, with
    twice the limit (Gomes, Selman, Crato and Kautz, Journal of Automated Reasoning 24, 2000).
    """
    members, first_member = structure[0], structure[1]
    num_groups = len(first_member) - 1
    first = 0
    while True:
        state[0][:], state[1][:], state[2][:] = given  # faster than to take back a completion step by step
        _assign(candidate, structure, state, 1)
        found = _complete(structure, state, path, first, failure_limit)
        if found != _GIVEN_UP:
            return found
        failure_limit = 2 * failure_limit + 1
        first = int(rng.random() * num_groups)
        for group in range(num_groups):
            start, end = first_member[group], first_member[group + 1]
            members[start:end] = members[start:end][rng.permutation(end - start)]


@numba.njit(cache=True)
def _label(structure, assignment, labels, failure_limit, rng):  # type: ignore[no-untyped-def]
    """Fill ``labels`` (bool[B, N]) for ``assignment`` (bool[B, N])."""
    first_member, exactly_one = structure[1], structure[4]
    num_candidates, num_groups = assignment.shape[1], len(exactly_one)
    chosen = np.zeros(num_candidates, np.int64)
    path = (chosen, np.zeros(num_candidates, np.int64), np.zeros(num_candidates, np.int64))
    for b in range(len(assignment)):
        satisfied = np.zeros(num_groups, np.bool_)
        ruled_out = np.zeros(num_candidates, np.int64)  # by how many satisfied groups
        left = first_member[1:] - first_member[:-1]  # possible candidates of each group
        given = (satisfied, ruled_out, left)
        consistent = True
        for candidate in range(num_candidates):
            if assignment[b, candidate]:
                consistent = consistent and ruled_out[candidate] == 0
                _assign(candidate, structure, given, 1)
        if not consistent:
            continue
        state = (satisfied.copy(), ruled_out.copy(), left.copy())
        for candidate in range(num_candidates):
            if labels[b, candidate] or ruled_out[candidate] > 0:
                continue
            found = _complete_with(candidate, structure, given, state, path, failure_limit, rng)
            if found >= 0:
                # Every pair of a completion is extendable, not only the one asked for.
                labels[b, candidate] = True
                for d in range(found):
                    labels[b, chosen[d]] = True


def label_by_groups(
    groups: npt.NDArray[np.int64],
    exactly_one: npt.NDArray[np.bool_],
    assignment: npt.NDArray[np.bool_],
    failure_limit: int = 1000,
) -> npt.NDArray[np.bool_]:
    """Label every candidate of partial assignments by exact search.

    Args:
        groups: int64[G, K], candidates of each group, repeated where there are fewer; of every group at most one holds.
        exactly_one: bool[G], True where one has to hold. Every candidate is in such a group.
        assignment: bool[B, N].
        failure_limit: failures of a search for a completion before it starts again in another order, with more; the
            labels do not depend on it.

    Returns:
        bool[B, N]: True iff the candidate is not assigned and the state with it has a completion: candidates that
        satisfy all groups. All False for a state that has none.
    """
    num_candidates = assignment.shape[1]
    pairs = np.unique(np.stack([np.repeat(np.arange(len(groups)), groups.shape[1]), groups.ravel()], axis=1), axis=0)
    by_candidate = pairs[np.argsort(pairs[:, 1], kind="stable")]
    first_member = np.concatenate([[0], np.cumsum(np.bincount(pairs[:, 0], minlength=len(groups)))])
    first_group = np.concatenate([[0], np.cumsum(np.bincount(pairs[:, 1], minlength=num_candidates))])
    labels = np.zeros_like(assignment)
    structure = (pairs[:, 1].copy(), first_member, by_candidate[:, 0].copy(), first_group, exactly_one)
    uninterrupted(_label, structure, assignment, labels, failure_limit, np.random.default_rng(0))
    return labels


def label_latin_squares(grids: npt.NDArray[np.integer], failure_limit: int = 1000) -> npt.NDArray[np.bool_]:
    """Label every pair of partial Latin squares, int[B, n, n] of values 1..n or 0 for a hole, by exact search.

    Returns:
        bool[B, n**3]: True iff the candidate's cell is a hole and the square with the candidate assigned has a
        completion. All False for a square that has none.

    Raises:
        NNSearchError: the order is above 64, where exact labels take for ever, or a value is out of range.
    """
    n = grids.shape[1]
    if n > 64:
        raise NNSearchError(f"the exact search labels squares up to order 64, got {n}")
    if grids.size and not 0 <= grids.min() <= grids.max() <= n:
        raise NNSearchError(f"expected values 1..{n}, or 0 for a hole; got {grids.min()}..{grids.max()}")
    square = LatinSquare(n)
    assignment = (grids[..., None] == np.arange(1, n + 1)).reshape(len(grids), n**3)
    return label_by_groups(square.groups(), square.exactly_one(), assignment, failure_limit)
