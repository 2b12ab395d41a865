"""Forward checking and singles propagation as batched array code, the same for numpy and torch.

A candidate is a (variable, value) pair; a group is a set of candidates of which exactly one holds. States are one-hot
assignments: ``assignment[b, j]`` is 1 iff candidate ``j`` is assigned in state ``b``. Results say which candidates are
still a possible *next decision*, so every candidate of an assigned variable is False.

Nothing here imports torch: only indexing with integer arrays and methods that both libraries share are used.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]


class ForwardChecking:
    """Possible next decisions after forward checking on a family of groups.

    A candidate is removed iff a group that contains it already has an assigned candidate. On a partial Latin square,
    the cell groups alone only rule out assigned cells; cell and row groups are "rows", with column groups it is the
    full forward checking of Silvestri, Lombardi and Milano (2021), section 4.

    Args:
        groups: int64[G, K], candidate indices of each group.
        num_candidates: N, the length of a state.
    """

    def __init__(self, groups: IntArray, num_candidates: int) -> None:
        self.num_candidates = num_candidates
        self._numpy_index = (groups, _groups_of_candidate(groups, num_candidates))
        self._torch_index: dict[str, tuple[Any, Any]] = {}

    def __call__(self, assignment: Any) -> Any:
        """Return bool[B, N], True where the candidate is still possible.

        Args:
            assignment: [B, N] array or tensor of any dtype, non-zero = assigned.

        Raises:
            ValueError: the state has another shape.
        """
        if assignment.ndim != 2 or assignment.shape[1] != self.num_candidates:
            raise ValueError(
                f"expected an assignment [B, {self.num_candidates}], got {tuple(assignment.shape)}; "
                "a single state is assignment[None]"
            )
        groups, groups_of = self.index(assignment)
        assigned = assignment != 0
        satisfied = assigned[:, groups].any(-1)
        return ~satisfied[:, groups_of].any(-1)

    def index(self, like: Any) -> tuple[Any, Any]:
        """Return the groups int64[G, K] and each candidate's groups int64[N, M], where ``like`` lives."""
        if isinstance(like, np.ndarray):
            return self._numpy_index
        device = str(like.device)
        if device not in self._torch_index:
            integers = like.new_zeros(0).long()
            self._torch_index[device] = tuple(integers.new_tensor(array) for array in self._numpy_index)
        return self._torch_index[device]


class SinglesPropagation:
    """Forward checking, then naked and hidden singles, to the fixpoint.

    A group without an assigned candidate and with exactly one possible candidate forces that candidate (a cell with one
    value left, a value with one place left in a line).

    Args:
        groups: int64[G, K], candidate indices of each group; every group is exactly-one.
        num_candidates: N, the length of a state.
    """

    def __init__(self, groups: IntArray, num_candidates: int) -> None:
        self.forward_checking = ForwardChecking(groups, num_candidates)

    def __call__(self, assignment: Any) -> tuple[Any, Any]:
        """Return ``(assigned, possible)``, bool[B, N] each, at the fixpoint.

        A state without a completion may end with an unsatisfied group that has no possible candidate (a wipe-out) or
        with two candidates forced in one group; neither is repaired here.
        """
        groups, groups_of = self.forward_checking.index(assignment)
        assigned = assignment != 0
        while True:
            possible = self.forward_checking(assigned)
            single = possible[:, groups].sum(-1) == 1
            forced = possible & single[:, groups_of].any(-1)
            if not bool(forced.any()):
                return assigned, possible
            assigned = assigned | forced


def _groups_of_candidate(groups: IntArray, num_candidates: int) -> IntArray:
    """Return int64[N, M]: the groups of each candidate, a shorter list padded by repeating its first group."""
    flat = groups.ravel()
    counts = np.bincount(flat, minlength=num_candidates)
    if counts.shape[0] != num_candidates or counts.min() == 0:
        raise ValueError(f"every one of the {num_candidates} candidates must be in a group, and no other index")
    order = np.argsort(flat, kind="stable")
    group_of_entry = (order // groups.shape[1]).astype(np.int64)
    starts = np.cumsum(counts) - counts
    column = np.arange(counts.max())
    position = starts[:, None] + np.where(column < counts[:, None], column, 0)
    return group_of_entry[position]
