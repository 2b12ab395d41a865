"""Solve a CpModel by CP-SAT: with its defaults, guided by a network, or racing with a learned search."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ortools.sat.python import cp_model
from ortools.sat.python import cp_model_helper as cmh

from nnsearch.cpsat.at_root.guidance import guide
from nnsearch.cpsat.parameters import cp_sat_parameters
from nnsearch.cpsat.run import CpSatRun
from nnsearch.cpsat.solver import CpSolver
from nnsearch.limits import Limits
from nnsearch.model.objective import read_objective
from nnsearch.model.refusal import check_accepted
from nnsearch.model.variables import check_no_negation
from nnsearch.result import InferenceCount, SolveResult, Status
from nnsearch.scorers.onnx import load_scorer
from nnsearch.scorers.scorer import Scorer


def solve(
    model: cp_model.CpModel,
    variables: Sequence[cp_model.IntVar],
    scorer: str | Path | Scorer | None,
    *,
    limits: Limits | None = None,
    seed: int = 0,
    workers: int = 1,
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

    Raises:
        ConfigError: no workers, a negated Boolean among the variables, or a seed that CP-SAT cannot hold.
        ModelFileError: the network does not fit.
        NNSearchError: CP-SAT finds the model invalid.
        KeyboardInterrupt: Ctrl-C, within a second.
    """
    parameters = cp_sat_parameters(limits or Limits(), seed, workers)
    loaded = None if scorer is None else load_scorer(scorer)
    started = time.perf_counter()
    inference = InferenceCount()
    guided = model
    if loaded is not None:
        check_no_negation([variable.index for variable in variables])
        guided = model.clone()
        clones = [guided.get_int_var_from_proto_index(variable.index) for variable in variables]
        inference = guide(guided, clones, loaded)
        # Presolve would otherwise keep whichever of several symmetric solutions it likes.
        parameters.symmetry_level = 0
        if workers == 1:
            parameters.search_branching = cp_model.FIXED_SEARCH
    run = CpSatRun(guided, parameters)
    try:
        run.done.wait()
    finally:  # Ctrl-C
        run.stop()
    name = loaded.name if loaded else "none"
    return result_of(model, run.response(), inference, time.perf_counter() - started, "cp-sat", name)


def solve_by_race(
    model: cp_model.CpModel,
    scorer: str | Path | Scorer,
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
    parameters = cp_sat_parameters(limits or Limits(), seed, workers)
    loaded = load_scorer(scorer)
    solver = CpSolver(loaded)
    solver.parameters.copy_from(parameters)
    started = time.perf_counter()
    solver.solve(model)
    inference = InferenceCount()
    if solver.race is not None and solver.race.learned is not None:
        inference = solver.race.learned.inference
    seconds = time.perf_counter() - started
    result = result_of(model, solver.response_proto, inference, seconds, "race", loaded.name)
    return result if solver.race is None else replace(result, answered_by=f"{solver.race.winner}: {solver.race.why}")


def result_of(
    model: cp_model.CpModel,
    response: cmh.CpSolverResponse,
    inference: InferenceCount,
    seconds: float,
    engine: str,
    name: str,
) -> SolveResult:
    """Return what CP-SAT answered about the first variables, those of the model.

    Raises:
        NNSearchError: CP-SAT finds the model invalid.
    """
    check_accepted(response.status, model)
    status = Status(response.status.name)
    objective = read_objective(model.proto) if status.solved else None
    return SolveResult(
        status=status,
        solution=list(response.solution)[: len(model.proto.variables)] if status.solved else None,
        branches=response.num_branches,
        failures=response.num_conflicts,
        inference=inference,
        wall_seconds=seconds,
        engine=engine,
        model=name,
        objective_value=None if objective is None else objective.exact(response.objective_value),
        best_objective_bound=None if objective is None else objective.exact(response.best_objective_bound),
    )
