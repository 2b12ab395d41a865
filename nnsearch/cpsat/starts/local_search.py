"""A past solution repaired by CP-SAT's local search: it begins at the past values and mends what they violate.

That is feasibility jump (B. Luteberget, G. Sartor, Feasibility Jump: an LP-free Lagrangian MIP heuristic, 2023), which
goes on from its first solution with a bound on the objective as one more constraint.
"""

from __future__ import annotations

from ortools.sat.python import cp_model_helper as cmh

from nnsearch.cpsat.parameters import bare_parameters

_BATCH = 0.01  # of deterministic time; CP-SAT hears a stop only between two batches, and tells of solutions then


def local_search(asked: cmh.SatParameters | None) -> cmh.SatParameters:
    """Return the parameters of a local search from the hint; see :func:`nnsearch.cpsat.parameters.bare_parameters`."""
    parameters = bare_parameters(asked)
    parameters.use_ls_only = True
    parameters.feasibility_jump_batch_dtime = _BATCH
    return parameters
