"""The current assignment of a CP search as a one-hot vector, kept up to date at the nodes where it is needed."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
from ortools.constraint_solver import pywrapcp


def bare_method(proxy: Any, name: str) -> Callable[..., Any]:
    """Return a method of an engine object, called through SWIG's C function without its Python proxy.

    A look at a variable takes 0.06 microseconds this way and 0.4 through ``variable.Bound()``, and search nodes take
    many looks. The object must be kept alive by somebody else.

    Args:
        proxy: an object of pywrapcp.
        name: class and method joined by an underscore, as in the extension module.
    """
    function = getattr(pywrapcp._pywrapcp, name, None)
    if function is None:  # another version of the bindings
        return cast(Callable[..., Any], getattr(proxy, name.partition("_")[2]))
    return functools.partial(function, proxy.this)


def bare_methods(proxies: Sequence[Any], name: str) -> list[Callable[..., Any]]:
    """Return :func:`bare_method` of each of many objects."""
    function = getattr(pywrapcp._pywrapcp, name, None)
    if function is None:
        return [bare_method(proxy, name) for proxy in proxies]
    return [functools.partial(function, proxy.this) for proxy in proxies]


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
        self._variables = list(variables)  # what the bare methods below point to
        self._num_values = num_values
        self._first_value = first_value
        self._is_bound = bare_methods(variables, "IntExpr_Bound")
        self._value = bare_methods(variables, "IntVar_Value")
        self._dense = list(range(len(variables)))
        self._candidate = [0] * len(variables)
        self._num_unbound = pywrapcp.RevInteger(len(variables))
        self._read_num_unbound = bare_method(self._num_unbound, "RevInteger_Value")
        self._known_unbound = len(variables)
        self._state_at = [0] * (len(variables) + 1)  # by number of unbound variables, valid on the current path
        self._states = 0
        self.state = 0
        """int, valid after :meth:`refresh`; equal numbers mean equal assignments."""

    def refresh(self, solver: pywrapcp.Solver) -> bool:
        """Bring ``assignment`` up to date with the current node; return whether it may have changed.

        It says so in vain when an equal assignment was reached on another path since the last call.

        To be called at search nodes only, where propagation is at its fixpoint.
        """
        one_hot = self.assignment[0]
        size = self._read_num_unbound()
        dense, candidates = self._dense, self._candidate
        for variable in dense[self._known_unbound : size]:  # unbound again since the last refresh
            one_hot[candidates[variable]] = 0.0
        is_bound = self._is_bound
        unbound: list[int] = []
        newly_bound: list[int] = []
        for variable in dense[:size]:
            (newly_bound if is_bound[variable]() else unbound).append(variable)
        if newly_bound:
            dense[:size] = unbound + newly_bound
            for variable in newly_bound:
                candidate = variable * self._num_values + self._value[variable]() - self._first_value
                candidates[variable] = candidate
                one_hot[candidate] = 1.0
            self._num_unbound.SetValue(solver, len(unbound))
            self._states += 1
            self._state_at[len(unbound)] = self._states
        self._known_unbound = len(unbound)
        before, self.state = self.state, self._state_at[len(unbound)]
        return self.state != before

    def bound_variables(self) -> list[int]:
        """Return the indices of the variables that were bound at the last refresh."""
        return self._dense[self._known_unbound :]
