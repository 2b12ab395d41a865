"""CP-SAT's parameters for a solve of our own."""

from __future__ import annotations

from ortools.sat.python import cp_model_helper as cmh

from nnsearch.errors import ConfigError
from nnsearch.limits import Limits


def cp_sat_parameters(limits: Limits, seed: int, workers: int) -> cmh.SatParameters:
    """Return CP-SAT's parameters.

    Args:
        limits: when to give up; a failure is a conflict here.
        seed: the random seed.
        workers: number of workers.

    Raises:
        ConfigError: no workers, or a seed that CP-SAT cannot hold.
    """
    if workers < 1:
        raise ConfigError(f"num_workers: expected 1 or more workers, got {workers}")
    if not 0 <= seed < 2**31:
        raise ConfigError(f"seed: expected 0 to 2147483647, got {seed}")
    parameters = cmh.SatParameters()
    parameters.random_seed = seed
    parameters.num_workers = workers
    # Left to itself, CP-SAT catches Ctrl-C and answers UNKNOWN as if a limit had been reached.
    parameters.catch_sigint_signal = False
    if limits.seconds is not None:
        parameters.max_time_in_seconds = limits.seconds
    if limits.failures is not None:
        parameters.max_number_of_conflicts = limits.failures
    return parameters


def leaves_subsolvers_open(parameters: cmh.SatParameters) -> bool:
    """Tell whether parameters name no subsolvers, so that the choice is CP-SAT's.

    Args:
        parameters: the user's.
    """
    own = parameters
    return not any(map(len, (own.subsolvers, own.extra_subsolvers, own.ignore_subsolvers, own.filter_subsolvers)))


def checking_parameters(asked: cmh.SatParameters | None) -> cmh.SatParameters:
    """Return the parameters of a check of a solution, which is the whole hint of a model.

    Args:
        asked: the user's; see :func:`bare_parameters`.
    """
    parameters = bare_parameters(asked)  # presolve takes longer than all the rest
    parameters.fix_variables_to_their_hinted_value = True
    parameters.linearization_level = 0
    return parameters


def bare_parameters(asked: cmh.SatParameters | None) -> cmh.SatParameters:
    """Return the parameters of a short solve in one thread, in which nothing is done before the search.

    Args:
        asked: the user's, of which the seed and the limit of memory count.
    """
    parameters = cmh.SatParameters()
    parameters.num_workers = 1
    parameters.cp_model_presolve = False
    parameters.cp_model_probing_level = 0
    parameters.symmetry_level = 0
    parameters.catch_sigint_signal = False
    if asked is not None:
        parameters.random_seed, parameters.max_memory_in_mb = asked.random_seed, asked.max_memory_in_mb
    return parameters
