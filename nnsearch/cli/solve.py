"""``nnsearch solve``."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from nnsearch.cli.command_line import BAD_INPUT, DONE
from nnsearch.cli.lines import Lines, as_json
from nnsearch.cli.search_flags import SWITCH, SearchFlags
from nnsearch.cli.solution_file import save_solution
from nnsearch.cp.trace.recorder import STATE_MEGABYTES, Trace, layout_of
from nnsearch.engines import Engine, ProblemSolver
from nnsearch.errors import ConfigError, InstanceError, NothingToReadError
from nnsearch.inference.pretrained import DEFAULT_MODEL
from nnsearch.inference.providers import Provider
from nnsearch.output_file import check_output_file
from nnsearch.problems import PROBLEMS, read_problems
from nnsearch.problems.cp_model import CpModelFile
from nnsearch.problems.problem import Problem
from nnsearch.problems.reading import problem_of
from nnsearch.result import SolveResult, Status
from nnsearch.scorers.onnx import load_scorer

LIMIT_REACHED = 1

app = App(name="solve")
_DEFAULT_FLAGS = SearchFlags()


@app.default
def solve(
    instances: Annotated[list[str], Parameter(metavar="INSTANCE...")],
    /,
    *,
    problem: Literal[tuple(PROBLEMS)] | None = None,  # type: ignore[valid-type]
    colours: Annotated[int | None, Parameter(metavar="K")] = None,
    model: Annotated[str | None, Parameter(metavar="NAME|PATH|none")] = None,
    engine: Engine | None = None,
    flags: Annotated[SearchFlags, Parameter(name="*")] = _DEFAULT_FLAGS,
    out: Annotated[Path | None, Parameter(metavar="FILE")] = None,
    trace: Annotated[str | None, Parameter(metavar="FILE")] = None,
    trace_scores: Annotated[bool, SWITCH] = False,
    workers: Annotated[int | None, Parameter(metavar="N")] = None,
    concurrency: Annotated[int | None, Parameter(metavar="N")] = None,
    processes: Annotated[int | None, Parameter(metavar="N")] = None,
    cache: Annotated[float | None, Parameter(metavar="MB")] = None,
    provider: Provider = "auto",
    json: Annotated[bool, SWITCH] = False,
) -> int:
    """Solve an instance, values in the order of a network, and print the solution and what it cost.

    Args:
        instances: Latin square: .dzn, .pls; sudoku: .sdk, .sdm, .sudoku, .txt; n-queens: .txt; graph-colouring: .col;
            cp-model: a CpModelProto in any file, .mps, .lp; the first three also .jsonl; all also .gz. Of several, each
            is one line; FILE#NAME or FILE#LINE is one of a file of several
        problem: problem family (default: the one that the file tells)
        colours: number of colours, for graph-colouring
        model: pretrained network (see: nnsearch models), .onnx file, lp for the linear relaxation, or none for no
            network (default bp)
        engine: cp: depth-first search, the network at its nodes; cp-sat: CP-SAT guided at the root; dives: the network
            decides the beginning, CP-SAT the rest; race: both side by side (default race for cp-model, else cp)
        flags: how to search
        out: write the solution as JSON: status, objective, bound, and the value of every variable by its name
        trace: cp engine: write the search tree (read it by: nnsearch trace)
        trace_scores: with --trace: also write what the network thinks at every node, at most 64 MB of it, for
            nnsearch trace --html; it takes about 1 ms for each node of a square of order 50
        workers: cp-sat, dives, race: number of workers (default 1, race 2)
        concurrency: of several instances, cp engine: searches at the same time, whose inferences are gathered
            (default 64)
        processes: of several instances, cp engine: processes that search (default 1)
        cache: cp engine: memory for the scores of states seen before, 0 = none (default 64 for several instances)
        provider: where the network runs; auto: CUDA where there is a GPU, else the CPU
        json: print one JSON object for each instance
    """
    if out is not None:
        check_output_file(out, "--out")
    given = dict(flags.given())
    needs_network = [name for name, needs in given.items() if needs]
    needs_network += ["--cache"] * (cache is not None) + ["--trace-scores"] * trace_scores
    for_cp = [*given, *needs_network, *(["--trace"] if trace is not None else [])]
    if engine is None:
        numbered = ["--failure-limit"] * (flags.failure_limit is not None)
        gathered = ["--concurrency"] * (concurrency is not None) + ["--processes"] * (processes is not None)
        cp_alone = bool([*for_cp, *numbered, *gathered]) or not all(_is_model(spec, problem) for spec in instances)
        engine = "cp" if cp_alone else "cp-sat" if model == "none" else "race"
    _refuse(for_cp if engine != "cp" else ["--workers"] * (workers is not None), f"--engine {engine}")
    _refuse(needs_network if model == "none" else [], "--model none")
    if engine == "race" and flags.failure_limit is not None:
        raise ConfigError("--failure-limit has no meaning for --engine race: its sides count differently; leave it out")
    if trace_scores and trace is None:
        raise ConfigError("--trace-scores is for --trace; add it or leave the scores out")
    flags.check()

    def unread(one: Problem, error: NothingToReadError) -> None:
        if model is not None or needs_network or flags.variables == "most-confident":
            if len(alone) == 1:  # the lines of several name each
                raise NothingToReadError(f"{instances[0]}: {error}") from error
            raise error
        sys.stderr.write(
            f"warning: the default network, {DEFAULT_MODEL}, can read nothing of {one.name} and is left out; "
            "say so with --model none\n"
        )

    alone = list(read_problems(instances[0], problem, colours).values()) if len(instances) == 1 else []
    for option, file in (("--trace", trace), ("--out", out)):
        if file is not None and len(alone) != 1:
            raise ConfigError(f"{option} is for one instance; leave it out, or solve them one by one")
    if len(alone) == 1:
        for option, number in (("--concurrency", concurrency), ("--processes", processes)):
            if number is not None:  # a glob may match one file
                sys.stderr.write(f"warning: {option} is for several instances, there is one\n")
    network = None if model == "none" else load_scorer(DEFAULT_MODEL if model is None else model, provider)
    solver = ProblemSolver(engine, network, flags.options(), unread, flags.seed or 0, workers, cache)
    if len(alone) == 1:
        record = None
        if trace is not None:
            record = Trace(trace, states=STATE_MEGABYTES if trace_scores else None, about=layout_of(alone[0]))
        result = solver.solve(alone[0], record)
        if out is not None:
            save_solution(out, alone[0], result)
        return _show(alone[0], result, json)
    lines = Lines(len(alone) or len(instances), json)

    def readable() -> Iterator[Problem]:
        for spec in instances:
            try:
                yield from read_problems(spec, problem, colours).values()
            except InstanceError as error:
                lines.failed(str(error))

    for one, outcome in solver.solve_all(alone or readable(), concurrency, processes):
        if isinstance(outcome, SolveResult):
            lines.solved(one, outcome)
        else:
            lines.failed(f"{one.name}: {outcome}")
    lines.summary(solver.progress)
    return BAD_INPUT if lines.tally.failed else LIMIT_REACHED if lines.tally.undecided else DONE


def _is_model(spec: str, problem: str | None) -> bool:
    try:
        return (problem_of(spec) if problem is None else problem) == CpModelFile.problem
    except InstanceError:
        return True  # it is refused by its own line, and decides nothing


def _refuse(unused: Sequence[str], choice: str) -> None:
    """Refuse options that the choice of engine or model would silently ignore."""
    for option in unused:
        raise ConfigError(f"{option} has no meaning for {choice}; leave it out")


def _show(problem: Problem, result: SolveResult, json: bool) -> int:
    if json:
        sys.stdout.write(as_json(problem, result) + "\n")
    else:
        sys.stdout.write(f"{problem.name}: {problem.describe()}\n")
        if result.solution is not None:
            colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
            sys.stdout.write(problem.render(result.solution, colour) + "\n")
        sys.stdout.write(f"{result.statistics()}\n")
    return LIMIT_REACHED if result.status is Status.UNKNOWN else DONE
