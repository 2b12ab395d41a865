"""Solve a CpModel by CP-SAT: with its defaults, guided by a network, or racing with a learned search."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from ortools.sat.python import cp_model

from nnsearch.cpsat.guidance import guide
from nnsearch.cpsat.solver import CpSolver
from nnsearch.errors import ConfigError, NNSearchError
from nnsearch.fitting import check_no_negation
from nnsearch.inference.session import load_scorer
from nnsearch.limits import Limits
from nnsearch.result import InferenceCount, SolveResult, Status
from nnsearch.scorer import AnyScorer


def solve(
    model: cp_model.CpModel,
    variables: Sequence[cp_model.IntVar],
    scorer: str | Path | AnyScorer | None,
    *,
    limits: Limits | None = None,
    seed: int = 0,
    workers: int = 1,
    first_value: int | None = None,
) -> SolveResult:
    """Find one solution (or the optimum), or prove that there is none.

    Args:
        model: any model; it is not changed.
        variables: the variables to guide; a one-hot network's own, in its order.
        scorer: name or path of a network, a scorer, or None for CP-SAT's defaults.
        limits: when to give up; a failure is a conflict here.
        seed: CP-SAT's random seed.
        workers: number of workers; with one and a scorer, the search follows hints and learned strategy; several run a
            portfolio, in which the learned strategy is one of many.
        first_value: see :func:`guide`.

    Raises:
        ConfigError: no workers, a negated Boolean among the variables, or a seed that CP-SAT cannot hold.
        ModelFileError: the network does not fit.
        NNSearchError: CP-SAT finds the model invalid.
        KeyboardInterrupt: Ctrl-C, within a second.
    """
    _check_numbers(seed, workers)
    limits = limits or Limits()
    loaded = None if scorer is None else load_scorer(scorer)
    started = time.perf_counter()
    solver = cp_model.CpSolver()
    solver.parameters.random_seed = seed
    solver.parameters.num_workers = workers
    inference = InferenceCount()
    guided = model
    if loaded is not None:
        check_no_negation([variable.index for variable in variables])
        guided = model.clone()
        clones = [guided.get_int_var_from_proto_index(variable.index) for variable in variables]
        inference = guide(guided, clones, loaded, first_value=first_value)
        # Presolve would otherwise keep whichever of several symmetric solutions it likes.
        solver.parameters.symmetry_level = 0
        if workers == 1:
            solver.parameters.search_branching = cp_model.FIXED_SEARCH
    _set_limits(solver, limits)
    answer = _solve_interruptible(solver, guided)
    name = loaded.name if loaded else "none"
    return _result(model, solver, answer, inference, time.perf_counter() - started, "cp-sat", name)


def solve_by_race(
    model: cp_model.CpModel,
    scorer: str | Path | AnyScorer,
    *,
    limits: Limits | None = None,
    seed: int = 0,
    workers: int = 2,
) -> SolveResult:
    """Solve by CP-SAT and a learned search side by side, see :class:`nnsearch.cpsat.CpSolver`.

    Args:
        model: any model; it is not changed.
        scorer: name or path of a network, or a scorer.
        limits: when to give up; a limit of failures asks for a run that can be repeated, so CP-SAT solves alone.
        seed: CP-SAT's random seed.
        workers: for both together.

    Returns:
        The result, with the inference of the learned side; failures are those of the side that answered.

    Raises:
        ConfigError: no workers, or a seed that CP-SAT cannot hold.
        ModelFileError: there is no such network.
        NNSearchError: CP-SAT finds the model invalid.
        KeyboardInterrupt: Ctrl-C, within a second.
    """
    _check_numbers(seed, workers)
    loaded = load_scorer(scorer)
    solver = CpSolver(loaded)
    solver.parameters.random_seed = seed
    solver.parameters.num_workers = workers
    solver.parameters.catch_sigint_signal = False
    _set_limits(solver, limits or Limits())
    started = time.perf_counter()
    answer = solver.solve(model)
    inference = InferenceCount()
    if solver.race is not None and solver.race.learned is not None:
        learned = solver.race.learned
        inference = InferenceCount(learned.inference_calls, learned.states_scored, learned.inference_seconds)
    seconds = time.perf_counter() - started
    result = _result(model, solver, answer, inference, seconds, "race", loaded.name)
    return result if solver.race is None else replace(result, answered_by=f"{solver.race.winner}: {solver.race.why}")


def _check_numbers(seed: int, workers: int) -> None:
    if workers < 1:
        raise ConfigError(f"num_workers: expected 1 or more workers, got {workers}")
    if not 0 <= seed < 2**31:
        raise ConfigError(f"seed: expected 0 to 2147483647, got {seed}")


def _set_limits(solver: cp_model.CpSolver, limits: Limits) -> None:
    if limits.seconds is not None:
        solver.parameters.max_time_in_seconds = limits.seconds
    if limits.failures is not None:
        solver.parameters.max_number_of_conflicts = limits.failures


def _result(
    model: cp_model.CpModel,
    solver: cp_model.CpSolver,
    answer: cp_model.CpSolverStatus,
    inference: InferenceCount,
    seconds: float,
    engine: str,
    name: str,
) -> SolveResult:
    """Return what CP-SAT answered about the first variables, those of the model.

    Raises:
        NNSearchError: CP-SAT finds the model invalid.
    """
    if answer == cp_model.MODEL_INVALID:
        reason = " ".join(model.validate().split()) or "a hint or a parameter is invalid"
        raise NNSearchError(f"CP-SAT refuses the model: {reason}")
    status = Status(solver.status_name(answer))
    return SolveResult(
        status=status,
        solution=list(solver.response_proto.solution)[: len(model.proto.variables)] if status.solved else None,
        branches=solver.num_branches,
        failures=solver.num_conflicts,
        inference_calls=inference.calls,
        states_scored=inference.states,
        inference_seconds=inference.seconds,
        wall_seconds=seconds,
        engine=engine,
        model=name,
        objective_value=solver.objective_value if status.solved and model.has_objective() else None,
        best_objective_bound=solver.best_objective_bound if status.solved and model.has_objective() else None,
    )


def _solve_interruptible(solver: cp_model.CpSolver, model: cp_model.CpModel) -> cp_model.CpSolverStatus:
    """Solve in a thread: left to itself, CP-SAT catches Ctrl-C and answers UNKNOWN as if a limit had been reached."""
    solver.parameters.catch_sigint_signal = False
    with ThreadPoolExecutor(max_workers=1) as thread:
        answer = thread.submit(solver.solve, model)
        try:
            return answer.result()
        except BaseException:
            while not answer.done():  # until the solve has begun, there is nothing that could be stopped
                solver.stop_search()
                time.sleep(0.01)
            raise
