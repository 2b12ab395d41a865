"""Exact feasibility labels: can a partial solution, with one more pair assigned, be completed?

Two labellers answer: a bitmask depth-first search for Latin squares, and CP-SAT for any model. They agree (tested).
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt
from ortools.sat.python import cp_model

from nnsearch.errors import NNSearchError


@numba.njit(cache=True)
def _popcount(x):  # type: ignore[no-untyped-def]
    count = 0
    while x:
        x &= x - np.uint64(1)
        count += 1
    return count


@numba.njit(cache=True)
def _lowest(x):  # type: ignore[no-untyped-def]
    index = 0
    while not (x >> np.uint64(index)) & np.uint64(1):
        index += 1
    return index


@numba.njit(cache=True)
def _complete(grid, failure_limit):  # type: ignore[no-untyped-def]
    """Complete a consistent grid (int64[n, n], values 1..n, 0 = hole) in place; return 1 if it can be done, else 0.

    After ``failure_limit`` failures give up: return -1, the grid as it was. Depth-first search on the exact cover: the
    next item is the cell, (row, value) or (column, value) with the fewest candidates, each set of candidates one
    machine word.
    """
    n = grid.shape[0]
    one = np.uint64(1)
    every = np.uint64(0xFFFFFFFFFFFFFFFF) if n == 64 else (one << np.uint64(n)) - one
    row_free = np.full(n, every)  # values not yet in the row
    column_free = np.full(n, every)  # values not yet in the column
    row_holes = np.zeros(n, np.uint64)  # columns of the row's holes
    column_holes = np.zeros(n, np.uint64)
    value_columns = np.full(n, every)  # columns that still lack the value
    value_rows = np.full(n, every)
    holes = 0
    for r in range(n):
        for c in range(n):
            v = grid[r, c]
            if v == 0:
                row_holes[r] |= one << np.uint64(c)
                column_holes[c] |= one << np.uint64(r)
                holes += 1
            else:
                bit = one << np.uint64(v - 1)
                row_free[r] &= ~bit
                column_free[c] &= ~bit
                value_columns[v - 1] &= ~(one << np.uint64(c))
                value_rows[v - 1] &= ~(one << np.uint64(r))
    kind = np.zeros(holes + 1, np.int64)
    first = np.zeros(holes + 1, np.int64)
    second = np.zeros(holes + 1, np.int64)
    left = np.zeros(holes + 1, np.uint64)
    placed = np.zeros((holes + 1, 3), np.int64)
    depth = 0
    failures = 0
    descend = True
    while True:
        if descend:
            if depth == holes:
                return 1
            best = n + 1
            for r in range(n):
                if best <= 1:
                    break
                for x in range(n):
                    if (row_holes[r] >> np.uint64(x)) & one:
                        mask = row_free[r] & column_free[x]
                        size = _popcount(mask)
                        if size < best:
                            best, kind[depth], first[depth], second[depth], left[depth] = size, 0, r, x, mask
                    if (row_free[r] >> np.uint64(x)) & one:
                        mask = row_holes[r] & value_columns[x]
                        size = _popcount(mask)
                        if size < best:
                            best, kind[depth], first[depth], second[depth], left[depth] = size, 1, r, x, mask
                    if (column_free[r] >> np.uint64(x)) & one:
                        mask = column_holes[r] & value_rows[x]
                        size = _popcount(mask)
                        if size < best:
                            best, kind[depth], first[depth], second[depth], left[depth] = size, 2, r, x, mask
        else:
            if depth == 0:
                return 0
            failures += 1
            if failures > failure_limit:
                for i in range(depth):
                    grid[placed[i, 0], placed[i, 1]] = 0
                return -1
            depth -= 1
            r, c, v = placed[depth, 0], placed[depth, 1], placed[depth, 2]
            grid[r, c] = 0
            row_free[r] |= one << np.uint64(v)
            column_free[c] |= one << np.uint64(v)
            value_columns[v] |= one << np.uint64(c)
            value_rows[v] |= one << np.uint64(r)
            row_holes[r] |= one << np.uint64(c)
            column_holes[c] |= one << np.uint64(r)
        if left[depth] == 0:
            descend = False
            continue
        choice = _lowest(left[depth])
        left[depth] &= left[depth] - one
        if kind[depth] == 0:
            r, c, v = first[depth], second[depth], choice
        elif kind[depth] == 1:
            r, c, v = first[depth], choice, second[depth]
        else:
            r, c, v = choice, first[depth], second[depth]
        placed[depth, 0], placed[depth, 1], placed[depth, 2] = r, c, v
        grid[r, c] = v + 1
        row_free[r] &= ~(one << np.uint64(v))
        column_free[c] &= ~(one << np.uint64(v))
        value_columns[v] &= ~(one << np.uint64(c))
        value_rows[v] &= ~(one << np.uint64(r))
        row_holes[r] &= ~(one << np.uint64(c))
        column_holes[c] &= ~(one << np.uint64(r))
        depth += 1
        descend = True


@numba.njit(cache=True)
def _complete_with_restarts(grid, failure_limit, rng):  # type: ignore[no-untyped-def]
    """Complete a consistent grid in place; return whether it can be completed.

    The running time of one search has a heavy tail. Renaming rows, columns and values changes its order and nothing
    else, so a search that takes long is given up for one under another renaming, with twice the limit (Gomes, Selman,
    Crato and Kautz, Journal of Automated Reasoning 24, 2000).
    """
    n = grid.shape[0]
    found = _complete(grid, failure_limit)
    while found < 0:
        failure_limit = 2 * failure_limit + 1
        rows, columns, values = rng.permutation(n), rng.permutation(n), rng.permutation(n)
        renamed = np.zeros((n, n), np.int64)
        for r in range(n):
            for c in range(n):
                if grid[r, c] != 0:
                    renamed[rows[r], columns[c]] = values[grid[r, c] - 1] + 1
        found = _complete(renamed, failure_limit)
        if found == 1:
            name = np.zeros(n, np.int64)
            for v in range(n):
                name[values[v]] = v + 1
            for r in range(n):
                for c in range(n):
                    grid[r, c] = name[renamed[rows[r], columns[c]] - 1]
    return found == 1


@numba.njit(cache=True)
def _is_consistent(grid):  # type: ignore[no-untyped-def]
    """Tell whether no value is twice in a row or column."""
    n = grid.shape[0]
    for i in range(n):
        row = np.zeros(n + 1, np.bool_)
        column = np.zeros(n + 1, np.bool_)
        for j in range(n):
            for seen, value in ((row, grid[i, j]), (column, grid[j, i])):
                if value != 0 and seen[value]:
                    return False
                seen[value] = True
    return True


@numba.njit(cache=True)
def _label(grids, labels, failure_limit, rng):  # type: ignore[no-untyped-def]
    """Fill ``labels`` (bool[B, n, n, n]) for ``grids`` (int64[B, n, n])."""
    n = grids.shape[1]
    for b in range(grids.shape[0]):
        if not _is_consistent(grids[b]):
            continue
        for r in range(n):
            for c in range(n):
                if grids[b, r, c] != 0:
                    continue
                for v in range(1, n + 1):
                    if labels[b, r, c, v - 1]:
                        continue
                    clash = False
                    for t in range(n):
                        if grids[b, r, t] == v or grids[b, t, c] == v:
                            clash = True
                            break
                    if clash:
                        continue
                    grid = grids[b].copy()
                    grid[r, c] = v
                    if _complete_with_restarts(grid, failure_limit, rng):
                        # Every pair of a completion is extendable, not only the one asked for.
                        for i in range(n):
                            for j in range(n):
                                if grids[b, i, j] == 0:
                                    labels[b, i, j, grid[i, j] - 1] = True


def label_latin_squares(grids: npt.NDArray[np.integer], failure_limit: int = 1000) -> npt.NDArray[np.bool_]:
    """Label every pair of partial Latin squares by exact search.

    Args:
        grids: int[B, n, n], values 1..n, 0 = hole, n at most 64.
        failure_limit: failures of a search for a completion before it starts again in another order, with more; the
            labels do not depend on it.

    Returns:
        bool[B, n**3]: True iff the candidate's cell is a hole and the square with the candidate assigned has a
        completion. All False for a square that has none.

    Raises:
        NNSearchError: the order is above 64 (the search keeps a line in one machine word), or a value is out of range.
    """
    n = grids.shape[1]
    if n > 64:
        raise NNSearchError(f"the bitmask search labels squares up to order 64, got {n}; use the CP-SAT labeller")
    if grids.size and not 0 <= grids.min() <= grids.max() <= n:
        raise NNSearchError(f"expected values 1..{n}, or 0 for a hole; got {grids.min()}..{grids.max()}")
    labels = np.zeros((len(grids), n, n, n), dtype=np.bool_)
    _label(grids.astype(np.int64), labels, failure_limit, np.random.default_rng(0))
    return labels.reshape(len(grids), n**3)


def is_extendable(model: cp_model.CpModel, fixed: dict[int, int], time_limit: float = 60.0) -> bool:
    """Tell by CP-SAT whether an assignment of some variables of any model can be completed.

    Args:
        model: the model; it is not changed.
        fixed: values by variable index.
        time_limit: seconds; the answer must be exact, so running into it is an error.

    Raises:
        NNSearchError: CP-SAT gave no answer within the limit.
    """
    candidate = model.clone()
    for variable, value in fixed.items():
        candidate.add(candidate.get_int_var_from_proto_index(variable) == value)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.catch_sigint_signal = False  # it would leave Ctrl-C to the system
    solver.parameters.max_time_in_seconds = time_limit
    status = solver.solve(candidate)
    # A model without an objective is reported OPTIMAL once it is solved; older releases said FEASIBLE.
    if status in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return True
    if status == cp_model.INFEASIBLE:
        return False
    raise NNSearchError(f"CP-SAT said {solver.status_name(status)} within {time_limit:g} s; raise the time limit")
