"""CP-SAT itself, whatever the program has put in its place."""

from __future__ import annotations

from ortools.sat.python import cp_model

PLAIN = cp_model.CpSolver
"""The class as OR-Tools made it: a program may assign another one to ``cp_model.CpSolver``."""


def plain_solver() -> cp_model.CpSolver:
    """Return a new solver of OR-Tools, also where the drop-in solver is installed in its place."""
    solver = object.__new__(PLAIN)
    PLAIN.__init__(solver)
    return solver
