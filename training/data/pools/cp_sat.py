"""Solutions of any CpModel from CP-SAT with random seeds.

CP-SAT does not sample uniformly: solutions cluster where its search likes to go. For Latin squares use
:class:`training.data.pools.jacobson_matthews.JacobsonMatthews`, which does.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from ortools.sat.python import cp_model

from nnsearch.errors import PoolError


def sample_solutions(
    model: cp_model.CpModel,
    variables: list[cp_model.IntVar],
    count: int,
    seed: int,
    time_limit: float = 60.0,
) -> Iterator[npt.NDArray[np.int64]]:
    """Yield ``count`` solutions, each from a fresh randomised search. Repetitions are possible.

    Args:
        model: any model; it is not changed.
        variables: the variables whose values are wanted.
        count: how many solutions.
        seed: the k-th search uses a seed derived from ``(seed, k)``, and a random hint.
        time_limit: seconds for one search.

    Yields:
        int64[V], the values of the variables.

    Raises:
        PoolError: the model is invalid or has no solution, or one search ran into its limit.
    """
    invalid = " ".join(model.validate().split())
    if invalid:
        raise PoolError(f"CP-SAT refuses the model: {invalid}")
    rng = np.random.default_rng(seed)
    bounds = []
    for variable in variables:
        domain = list(model.proto.variables[variable.index].domain)
        bounds.append((domain[0], domain[-1]))
    for k in range(count):
        hinted = model.clone()
        hinted.clear_hints()
        for variable, (low, high) in zip(variables, bounds, strict=True):
            hinted.add_hint(hinted.get_int_var_from_proto_index(variable.index), int(rng.integers(low, high + 1)))
        solver = cp_model.CpSolver()
        solver.parameters.random_seed = int(rng.integers(2**31 - 1))
        solver.parameters.randomize_search = True
        # Presolve would otherwise cut the model down to a few of its solutions.
        solver.parameters.keep_all_feasible_solutions_in_presolve = True
        solver.parameters.symmetry_level = 0
        solver.parameters.num_workers = 1
        solver.parameters.max_time_in_seconds = time_limit
        status = solver.solve(hinted)
        if status == cp_model.INFEASIBLE:
            raise PoolError("the model has no solution, so there is no pool of its solutions")
        if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            raise PoolError(
                f"search {k + 1} of {count}: CP-SAT found no solution in {time_limit:g} s "
                f"({solver.status_name(status)}); raise the time limit"
            )
        yield np.array([solver.value(hinted.get_int_var_from_proto_index(v.index)) for v in variables])
