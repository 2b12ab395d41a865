"""The current assignment of a CP search as a one-hot vector, kept up to date at the nodes where it is needed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ortools.constraint_solver import pywrapcp


class AssignmentTracker:
    """Reads which variables are bound, looking only at those that were not bound at an ancestor node.

    The variables sit in a sparse set: the unbound ones in front, and their number is a reversible integer, which the
    engine restores when it backtracks. So a refresh costs one look per unbound variable, propagation costs nothing
    more, and nodes that need no inference cost nothing at all (demons on every variable take longer than this scan
    already at order 10).

    Args:
        variables: V variables of one solver.
        num_values: D.
        first_value: the value with index 0.
    """

    def __init__(self, variables: Sequence[pywrapcp.IntVar], num_values: int, first_value: int) -> None:
        self.assignment = np.zeros((1, len(variables) * num_values), dtype=np.float32)
        """float32[1, V * D], 1 iff the variable is bound to the value; valid after :meth:`refresh`."""
        self._num_values = num_values
        self._first_value = first_value
        self._is_bound = [variable.Bound for variable in variables]
        self._value = [variable.Value for variable in variables]
        self._dense = list(range(len(variables)))
        self._candidate = [0] * len(variables)
        self._num_unbound = pywrapcp.RevInteger(len(variables))
        self._known_unbound = len(variables)

    def refresh(self, solver: pywrapcp.Solver) -> bool:
        """Bring ``assignment`` up to date with the current node; return whether it changed.

        To be called at search nodes only, where propagation is at its fixpoint.
        """
        one_hot = self.assignment[0]
        size = self._num_unbound.Value()
        dense, candidates = self._dense, self._candidate
        changed = size != self._known_unbound
        for variable in dense[self._known_unbound : size]:  # unbound again since the last refresh
            one_hot[candidates[variable]] = 0.0
        position = 0
        before = size
        while position < size:
            variable = dense[position]
            if self._is_bound[variable]():
                size -= 1
                dense[position], dense[size] = dense[size], variable
                candidate = variable * self._num_values + self._value[variable]() - self._first_value
                candidates[variable] = candidate
                one_hot[candidate] = 1.0
            else:
                position += 1
        if size != before:
            self._num_unbound.SetValue(solver, size)
            changed = True
        self._known_unbound = size
        return changed

    def bound_variables(self) -> list[int]:
        """Return the indices of the variables that were bound at the last refresh."""
        return self._dense[self._known_unbound :]
