"""A past solution or a guess repaired by CP-SAT's local search, which begins at its values and mends what they violate.

That is feasibility jump (B. Luteberget, G. Sartor, Feasibility Jump: an LP-free Lagrangian MIP heuristic, 2023), which
goes on from its first solution with a bound on the objective as one more constraint.
"""

from __future__ import annotations

from ortools.sat.python import cp_model_helper as cmh

from nnsearch.cpsat.parameters import bare_parameters

# Of deterministic time, for each variable: a batch has to reach a solution from the hint, or the next one begins
# elsewhere. But CP-SAT hears a stop only between two batches, and tells of solutions then.
_PAST_BATCH, _GUESS_BATCH = 1.5e-6, 7e-6
_LEAST_BATCH, _MOST_BATCH = 0.01, 0.3


def local_search(asked: cmh.SatParameters | None, variables: int, *, far: bool = False) -> cmh.SatParameters:
    """Return the parameters of a local search from the hint; see :func:`nnsearch.cpsat.parameters.bare_parameters`.

    Args:
        asked: the user's.
        variables: how many the model has.
        far: whether the hint violates much, as a guess does and a past solution does not.
    """
    parameters = bare_parameters(asked)
    parameters.use_ls_only = True
    batch = variables * (_GUESS_BATCH if far else _PAST_BATCH)
    parameters.feasibility_jump_batch_dtime = min(max(batch, _LEAST_BATCH), _MOST_BATCH)
    return parameters
