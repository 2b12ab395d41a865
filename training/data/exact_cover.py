"""Exact feasibility labels for any problem that is groups of candidates, of which exactly one or at most one holds."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt


@numba.njit(cache=True)
def _assign(candidate, members, first_member, groups_of, first_group, satisfied, ruled_out, left, sign):  # type: ignore[no-untyped-def]
    """Assign a candidate (sign 1), or take it back (sign -1) in the opposite order of assignment."""
    for e in range(first_group[candidate], first_group[candidate + 1]):
        group = groups_of[e]
        satisfied[group] = sign == 1
        for m in range(first_member[group], first_member[group + 1]):
            other = members[m]
            before = ruled_out[other]
            ruled_out[other] += sign
            if before == 0 or ruled_out[other] == 0:
                for f in range(first_group[other], first_group[other + 1]):
                    left[groups_of[f]] -= sign


@numba.njit(cache=True)
def _complete(members, first_member, groups_of, first_group, exactly_one, satisfied, ruled_out, left, chosen):  # type: ignore[no-untyped-def]
    """Complete a state; return how many candidates of ``chosen`` were added to it, -1 if there is no completion.

    Depth-first search; the next group is the exactly-one group that has the fewest possible candidates (Knuth,
    "Dancing links", 2000, whose optional items are the at-most-one groups). The state is left as it was.
    """
    group_at = np.zeros(len(chosen), np.int64)
    next_member = np.zeros(len(chosen), np.int64)
    depth = 0
    descend = True
    found = -1
    while True:
        if descend:
            best, fewest = -1, len(ruled_out) + 1
            for group in range(len(exactly_one)):
                if exactly_one[group] and not satisfied[group] and left[group] < fewest:
                    best, fewest = group, left[group]
            if best < 0:
                found = depth
                break
            group_at[depth], next_member[depth] = best, first_member[best]
        else:
            if depth == 0:
                break
            depth -= 1
            _assign(chosen[depth], members, first_member, groups_of, first_group, satisfied, ruled_out, left, -1)
        descend = False
        while next_member[depth] < first_member[group_at[depth] + 1]:
            candidate = members[next_member[depth]]
            next_member[depth] += 1
            if ruled_out[candidate] == 0:
                chosen[depth] = candidate
                _assign(candidate, members, first_member, groups_of, first_group, satisfied, ruled_out, left, 1)
                depth += 1
                descend = True
                break
    for d in range(depth - 1, -1, -1):
        _assign(chosen[d], members, first_member, groups_of, first_group, satisfied, ruled_out, left, -1)
    return found


@numba.njit(cache=True)
def _label(members, first_member, groups_of, first_group, exactly_one, assignment, labels):  # type: ignore[no-untyped-def]
    """Fill ``labels`` (bool[B, N]) for ``assignment`` (bool[B, N])."""
    num_candidates, num_groups = assignment.shape[1], len(exactly_one)
    chosen = np.zeros(num_candidates, np.int64)
    for b in range(len(assignment)):
        satisfied = np.zeros(num_groups, np.bool_)
        ruled_out = np.zeros(num_candidates, np.int64)  # by how many satisfied groups
        left = first_member[1:] - first_member[:-1]  # possible candidates of each group
        consistent = True
        for candidate in range(num_candidates):
            if assignment[b, candidate]:
                consistent = consistent and ruled_out[candidate] == 0
                _assign(candidate, members, first_member, groups_of, first_group, satisfied, ruled_out, left, 1)
        if not consistent:
            continue
        for candidate in range(num_candidates):
            if labels[b, candidate] or ruled_out[candidate] > 0:
                continue
            _assign(candidate, members, first_member, groups_of, first_group, satisfied, ruled_out, left, 1)
            found = _complete(
                members, first_member, groups_of, first_group, exactly_one, satisfied, ruled_out, left, chosen
            )
            _assign(candidate, members, first_member, groups_of, first_group, satisfied, ruled_out, left, -1)
            if found >= 0:
                # Every pair of a completion is extendable, not only the one asked for.
                labels[b, candidate] = True
                for d in range(found):
                    labels[b, chosen[d]] = True


def label_by_groups(
    groups: npt.NDArray[np.int64], exactly_one: npt.NDArray[np.bool_], assignment: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """Label every candidate of partial assignments by exact search.

    Args:
        groups: int64[G, K], candidates of each group, repeated where there are fewer; of every group at most one holds.
        exactly_one: bool[G], True where one has to hold. Every candidate is in such a group.
        assignment: bool[B, N].

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
    members, groups_of = pairs[:, 1].copy(), by_candidate[:, 0].copy()
    _label(members, first_member, groups_of, first_group, exactly_one, assignment, labels)
    return labels
