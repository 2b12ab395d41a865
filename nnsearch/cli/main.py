"""The ``nnsearch`` command: solve, trace, models, inspect, demo."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import nnsearch
from nnsearch import cp, cpsat
from nnsearch.cli.demo import run_demo
from nnsearch.cli.many import Lines, as_json, solve_each, solve_gathered
from nnsearch.cp.restarts import SCHEDULES
from nnsearch.cp.search_options import VARIABLE_ORDERS, SearchOptions
from nnsearch.cp.trace.events import read_trace
from nnsearch.cp.trace.page import save_page
from nnsearch.cp.trace.plot import check_plot_file, save_plot
from nnsearch.cp.trace.recorder import STATE_MEGABYTES, Trace, layout_of
from nnsearch.cp.trace.report import report
from nnsearch.encoding.one_hot import OneHot
from nnsearch.errors import ConfigError, InstanceError, ModelFileError, NNSearchError, NothingToReadError
from nnsearch.inference import latency
from nnsearch.inference.pretrained import models_dir, pretrained_models
from nnsearch.inference.providers import PROVIDERS, Provider
from nnsearch.limits import Limits
from nnsearch.many.solve_many import ManySolves, solve_many
from nnsearch.problems import PROBLEMS, read_problems
from nnsearch.problems.problem import Problem
from nnsearch.result import SolveResult, Status
from nnsearch.scorers.cache import ScoreCache, cached
from nnsearch.scorers.network import Network
from nnsearch.scorers.onnx import OnnxScorer

EXIT_DONE, EXIT_LIMIT, EXIT_BAD_INPUT, EXIT_INTERRUPTED = 0, 1, 2, 130

DEFAULT_MODEL = "bp"
ENGINES = ("cp", "cp-sat", "dives", "race")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code: 0 solved or proved, 1 limit reached, 2 bad input, 130 Ctrl-C."""
    try:
        try:
            return _run(argv)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # The reader (head, less) went away; without this Python complains once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_DONE


def _run(argv: Sequence[str] | None) -> int:
    arguments = _parser().parse_args(argv)
    try:
        code: int = arguments.run(arguments)
    except BrokenPipeError:
        raise
    except (NNSearchError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return EXIT_INTERRUPTED
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nnsearch",
        description="Learned value ordering for OR-Tools.",
        epilog="exit codes: 0 solved or proved, 1 limit reached, 2 bad input, 130 interrupted",
    )
    parser.add_argument("--version", action="version", version=f"nnsearch {nnsearch.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    solve = commands.add_parser(
        "solve",
        help="solve an instance",
        description="Solve an instance, values in the order of a network, and print the solution and what it cost.",
    )
    solve.add_argument(
        "instances",
        nargs="+",
        metavar="INSTANCE",
        help="Latin square: .dzn, .pls; sudoku: .sdk, .sdm, .sudoku, .txt; n-queens: .txt; graph-colouring: .col; "
        "cp-model: .pb, .binpb, .pbtxt, .textproto; the first three also .jsonl. Of several, each is one line; "
        "FILE#NAME or FILE#LINE is one of a file of several",
    )
    solve.add_argument("--problem", choices=PROBLEMS, help="problem family (default: the one that the file tells)")
    solve.add_argument("--colours", type=int, metavar="K", help="number of colours, for graph-colouring")
    solve.add_argument(
        "--model",
        metavar="NAME|PATH|none",
        help=f"pretrained network (see: nnsearch models), .onnx file, or none for no network (default {DEFAULT_MODEL})",
    )
    solve.add_argument(
        "--engine",
        choices=ENGINES,
        default="cp",
        help="cp: depth-first search, the network at its nodes; cp-sat: CP-SAT guided at the root; dives: the network "
        "decides the beginning, CP-SAT the rest; race: both side by side (default cp)",
    )
    solve.add_argument(
        "--variables",
        choices=VARIABLE_ORDERS,
        help="which variable next, cp engine: fewest values, in order, or chosen by the network (default min-domain; "
        "most-confident for networks on the candidate graph)",
    )
    solve.add_argument(
        "--infer-every",
        type=int,
        metavar="K",
        help="cp engine: ask the network after every K decisions; 1 = at every node, 0 = only at the root (default 1; "
        "for networks on the candidate graph 10, and after a failure)",
    )
    solve.add_argument("--infer-after-failure", action="store_true", help="cp engine: ask again after a failure")
    solve.add_argument(
        "--infer-below", type=float, metavar="P", help="cp engine: ask again before a decision less probable than P"
    )
    solve.add_argument(
        "--sample",
        action="store_true",
        help="cp engine: values at random in proportion to the scores, instead of best first",
    )
    solve.add_argument("--temperature", type=float, metavar="T", help="of --sample (default 1)")
    solve.add_argument(
        "--restart-after",
        type=int,
        metavar="N",
        help="cp engine: start again, with noise on the scores, after N failures, then ever later; 0 = never "
        "(default 40 for networks on the candidate graph, else 0)",
    )
    solve.add_argument(
        "--restart-schedule", choices=SCHEDULES, help="how the runs between restarts grow (default geometric)"
    )
    solve.add_argument(
        "--discrepancies",
        action="store_true",
        help="cp engine: limited discrepancy search instead of restarts: few decisions against the network first",
    )
    solve.add_argument("--trace", metavar="FILE", help="cp engine: write the search tree (read it by: nnsearch trace)")
    solve.add_argument(
        "--trace-scores",
        action="store_true",
        help=f"with --trace: also write what the network thinks at every node, at most {STATE_MEGABYTES:g} MB of it, "
        "for nnsearch trace --html; it takes about 1 ms for each node of a square of order 50",
    )
    solve.add_argument("--time-limit", type=float, metavar="S", help="seconds")
    solve.add_argument("--failure-limit", type=int, metavar="N", help="failures (conflicts of cp-sat)")
    solve.add_argument("--seed", type=int, metavar="N", help="of all that draws at random (default 0)")
    solve.add_argument(
        "--workers", type=int, metavar="N", help="cp-sat, dives, race: number of workers (default 1, race 2)"
    )
    solve.add_argument(
        "--concurrency",
        type=int,
        metavar="N",
        help="of several instances, cp engine: searches at the same time, whose inferences are gathered (default 64)",
    )
    solve.add_argument(
        "--processes", type=int, metavar="N", help="of several instances, cp engine: processes that search (default 1)"
    )
    solve.add_argument(
        "--cache",
        type=float,
        metavar="MB",
        help="cp engine: memory for the scores of states seen before, 0 = none (default 64 for several instances)",
    )
    _add_provider(solve)
    solve.add_argument("--json", action="store_true", help="print one JSON object for each instance")
    solve.set_defaults(run=_solve)

    trace = commands.add_parser(
        "trace",
        help="draw a recorded search tree",
        description="Draw what nnsearch solve --trace recorded: depth over time, dead ends, which values were right.",
    )
    trace.add_argument("trace", metavar="FILE", help="the recorded trace")
    trace.add_argument("--plot", metavar="OUT", help="also draw a picture: .svg, .png or .pdf (needs matplotlib)")
    trace.add_argument("--html", metavar="PAGE", help="also write a page that replays the search, for any browser")
    trace.set_defaults(run=_trace)

    models = commands.add_parser("models", help="list the pretrained networks")
    models.set_defaults(run=_models)

    inspect = commands.add_parser(
        "inspect", help="describe a network", description="Say what a network is for, how it was made, where it runs."
    )
    inspect.add_argument("model", metavar="MODEL", help="name of a pretrained network, or an .onnx file")
    inspect.add_argument(
        "--latency",
        action="store_true",
        help="also measure it on this machine, by batch size, on every provider or the one given, and recommend one",
    )
    _add_provider(inspect)
    inspect.add_argument("--json", action="store_true", help="print one JSON object")
    inspect.set_defaults(run=_inspect)

    demo = commands.add_parser(
        "demo",
        help="solve a large quasigroup with the network and without",
        description="Solve a quasigroup of order 50 by the drop-in solver, and by CP-SAT with its defaults.",
    )
    demo.add_argument("--time-limit", type=float, metavar="S", default=12.0, help="seconds for each (default 12)")
    demo.set_defaults(run=_demo)
    return parser


def _add_provider(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--provider",
        choices=PROVIDERS,
        default="auto",
        help="where the network runs; auto: CUDA where there is a GPU, else the CPU (default auto)",
    )


@dataclass(frozen=True)
class _Solved:
    """A result together with what is needed to show it."""

    instance: Problem
    result: SolveResult

    def text(self) -> str:
        colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        return self.instance.render(self.result.solution, colour)


def _solve(arguments: argparse.Namespace) -> int:
    model = DEFAULT_MODEL if arguments.model is None else arguments.model
    _refuse_unused(arguments, model)
    instances: Sequence[Problem] = []
    if len(arguments.instances) == 1:
        instances = list(_read(arguments, arguments.instances[0]))
    if len(instances) != 1:
        return _solve_many(arguments, model, instances)
    instance = instances[0]
    scorer = _open(arguments, model)
    _check_family(scorer, instance)
    if scorer is not None and arguments.cache:
        scorer = cached(scorer, ScoreCache(arguments.cache))
    solved = _Solved(instance, _solve_alone(arguments, instance, scorer))
    _check(solved)
    if arguments.json:
        sys.stdout.write(as_json(instance, solved.result) + "\n")
    else:
        _print_result(solved)
    return EXIT_LIMIT if solved.result.status is Status.UNKNOWN else EXIT_DONE


def _read(arguments: argparse.Namespace, spec: str) -> Iterable[Problem]:
    return read_problems(spec, arguments.problem, arguments.colours).values()


def _open(arguments: argparse.Namespace, model: str) -> Network | None:
    return None if model == "none" else OnnxScorer(model, arguments.provider)


def _solve_many(arguments: argparse.Namespace, model: str, instances: Sequence[Problem]) -> int:
    """Solve several instances: those given, of one file, or else those of all files."""
    if arguments.trace is not None:
        raise ConfigError("--trace is for one instance; leave it out, or solve them one by one")
    scorer = _open(arguments, model)
    total = len(instances) or len(arguments.instances)
    lines = Lines(total, arguments.json, _statistics)

    def readable() -> Iterator[Problem]:
        for spec in [] if instances else arguments.instances:
            try:
                yield from _read(arguments, spec)
            except InstanceError as error:
                lines.failed(str(error))

    def fitting() -> Iterator[Problem]:
        for instance in instances or readable():
            try:
                _check_family(scorer, instance)
                yield instance
            except ModelFileError as error:
                lines.failed(f"{instance.name}: {error}")

    if scorer is None or arguments.engine != "cp":
        for option in ("concurrency", "processes"):
            if getattr(arguments, option) is not None:
                raise ConfigError(f"--{option} gathers inferences at the nodes: for --engine cp with a network only")
        if scorer is not None and arguments.cache:
            scorer = cached(scorer, ScoreCache(arguments.cache))
        solve_each(fitting(), lambda instance: _solve_alone(arguments, instance, scorer), lines)
        lines.summary(None)
    else:
        network = scorer
        megabytes = _given(arguments.cache, 64.0)

        def gathered(problems: Iterable[Problem]) -> ManySolves:
            return solve_many(
                problems,
                network,
                _search_options(arguments, network),
                concurrency=_given(arguments.concurrency, 64),
                processes=_given(arguments.processes, 1),
                cache_megabytes=megabytes or None,
            )

        solve_gathered(fitting(), gathered, partial(_solve_without_network, arguments), lines)
    tally = lines.tally
    if tally.failed:
        return EXIT_BAD_INPUT
    return EXIT_LIMIT if tally.undecided else EXIT_DONE


def _check_family(scorer: Network | None, instance: Problem) -> None:
    """A one-hot network knows the variables of its own family only."""
    if (
        isinstance(scorer, OnnxScorer)
        and isinstance(scorer.encoder, OneHot)
        and scorer.metadata.problem != instance.problem
    ):
        raise ModelFileError(
            f"{scorer.path}: expected a network for {instance.problem}, got one for {scorer.metadata.problem}"
        )


def _solve_alone(arguments: argparse.Namespace, instance: Problem, scorer: Network | None) -> SolveResult:
    try:
        return _search(arguments, instance, scorer)
    except NothingToReadError as error:
        return _solve_without_network(arguments, error, instance)


def _solve_without_network(arguments: argparse.Namespace, error: NothingToReadError, instance: Problem) -> SolveResult:
    """Solve what the default network can read nothing of, if nobody asked for a network."""
    if arguments.model is not None or _wants_network(arguments) or arguments.engine == "dives":
        raise error
    sys.stderr.write(
        f"warning: the default network, {DEFAULT_MODEL}, can read nothing of {instance.name} and is left out; "
        "say so with --model none\n"
    )
    return _search(arguments, instance, None)


def _search(arguments: argparse.Namespace, instance: Problem, scorer: Network | None) -> SolveResult:
    cp_model, variables = instance.build()
    limits = Limits(arguments.time_limit, arguments.failure_limit)
    seed = arguments.seed or 0
    workers = arguments.workers
    if arguments.engine == "cp-sat":
        return cpsat.solve(cp_model, variables, scorer, limits=limits, seed=seed, workers=_given(workers, 1))
    if arguments.engine in ("dives", "race"):
        if scorer is None:
            raise ConfigError(
                f"--engine {arguments.engine} needs a network; choose one with --model, or another engine"
            )
        if arguments.engine == "race":
            return cpsat.solve_by_race(cp_model, scorer, limits=limits, seed=seed, workers=_given(workers, 2))
        dives = cpsat.Dives(seed=seed)
        return cpsat.solve_by_dives(cp_model, [scorer], dives=dives, limits=limits, workers=_given(workers, 1))
    return cp.solve(
        cp_model,
        variables,
        scorer,
        _search_options(arguments, scorer),
        trace=None
        if arguments.trace is None
        else Trace(
            arguments.trace, states=STATE_MEGABYTES if arguments.trace_scores else None, about=layout_of(instance)
        ),
    )


def _search_options(arguments: argparse.Namespace, scorer: Network | None) -> SearchOptions:
    seed = arguments.seed or 0
    return SearchOptions(
        variable_order=arguments.variables,
        policy=_policy(arguments) if scorer is not None else None,
        sampling=cp.Sampling(seed, _given(arguments.temperature, 1.0)) if arguments.sample else None,
        restarts=_restarts(arguments, scorer is not None and not isinstance(scorer.encoder, OneHot), seed),
        discrepancies=cp.Discrepancies() if arguments.discrepancies else None,
        limits=Limits(arguments.time_limit, arguments.failure_limit),
    )


def _given(value: Any, default: Any) -> Any:
    return default if value is None else value


def _policy(arguments: argparse.Namespace) -> cp.InferencePolicy | None:
    """None leaves the choice to the phase."""
    if arguments.infer_every is None and not arguments.infer_after_failure and arguments.infer_below is None:
        return None
    return cp.InferencePolicy(_given(arguments.infer_every, 1), arguments.infer_after_failure, arguments.infer_below)


def _restarts(arguments: argparse.Namespace, graph_network: bool, seed: int) -> cp.Restarts | None:
    failures, schedule = arguments.restart_after, _given(arguments.restart_schedule, "geometric")
    if failures is None and (not graph_network or arguments.discrepancies) and arguments.restart_schedule is None:
        return None
    if failures == 0:
        return None
    return cp.Restarts(_given(failures, cp.Restarts.failures), seed=seed, schedule=schedule)


def _refuse_unused(arguments: argparse.Namespace, model: str) -> None:
    """Refuse options that the choice of engine and model would silently ignore."""
    network_only = _network_only(arguments)
    cp_only = {"--variables": arguments.variables, "--trace": arguments.trace, **network_only}
    unused = dict.fromkeys(cp_only if arguments.engine != "cp" else ["--workers"], f"--engine {arguments.engine}")
    if model == "none":
        unused = dict.fromkeys(network_only, "--model none") | unused
    for option, choice in unused.items():
        if {**cp_only, "--workers": arguments.workers}[option] is not None:
            raise ConfigError(f"{option} has no meaning for {choice}; leave it out")
    if arguments.engine == "race" and arguments.failure_limit is not None:
        raise ConfigError("--failure-limit has no meaning for --engine race: its sides count differently; leave it out")
    if arguments.cache is not None and not arguments.cache >= 0:
        raise ConfigError(f"cache: expected 0 or more megabytes, got {arguments.cache:g}")
    if arguments.trace_scores and arguments.trace is None:
        raise ConfigError("--trace-scores is for --trace; add it or leave the scores out")
    if arguments.temperature is not None and not arguments.sample:
        raise ConfigError("--temperature is for --sample; add it or leave the temperature out")
    if arguments.restart_after == 0 and arguments.restart_schedule is not None:
        raise ConfigError("--restart-schedule has no meaning without restarts; leave it out")


def _network_only(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the options that only a network gives a meaning; None where they were left out."""
    return {
        "--infer-every": arguments.infer_every,
        "--infer-after-failure": arguments.infer_after_failure or None,
        "--infer-below": arguments.infer_below,
        "--sample": arguments.sample or None,
        "--temperature": arguments.temperature,
        "--restart-after": arguments.restart_after,
        "--restart-schedule": arguments.restart_schedule,
        "--discrepancies": arguments.discrepancies or None,
        "--cache": arguments.cache,
        "--trace-scores": arguments.trace_scores or None,
    }


def _wants_network(arguments: argparse.Namespace) -> bool:
    """Tell whether an option asks for a network, whichever it is."""
    asked = any(value is not None for value in _network_only(arguments).values())
    return asked or arguments.variables == "most-confident"


def _check(solved: _Solved) -> None:
    """Trust no engine: check the solution before it is shown."""
    solution = solved.result.solution
    if solution is not None and not solved.instance.is_solution(solution):
        raise NNSearchError(f"{solved.instance.name}: the engine returned a wrong solution; please report this")


def _print_result(solved: _Solved) -> None:
    result = solved.result
    sys.stdout.write(f"{solved.instance.name}: {solved.instance.describe()}\n")
    if result.solution is not None:
        sys.stdout.write(solved.text() + "\n")
    sys.stdout.write(f"{_statistics(result)}\n")


def _statistics(result: SolveResult) -> str:
    failures = {"cp": "failures", "cp-sat": "conflicts"}.get(result.engine, "failures and conflicts")
    objective = ""
    if result.objective_value is not None:
        objective = f"  objective {result.objective_value:g}"
        if result.best_objective_bound is not None and result.best_objective_bound != result.objective_value:
            objective += f", bound {result.best_objective_bound:g}"
    answered = "" if result.answered_by is None else f"; {result.answered_by}"
    return (
        f"{result.status}{objective}  {result.branches} branches, {result.failures} {failures}, "
        f"{result.inference.calls} inferences in {result.inference.seconds * 1000:.1f} ms, "
        f"{result.wall_seconds * 1000:.1f} ms in total  ({result.engine}, {result.model}{answered})"
    )


def _trace(arguments: argparse.Namespace) -> int:
    if arguments.plot is not None:
        check_plot_file(arguments.plot)
    trace = read_trace(arguments.trace)
    sys.stdout.write(report(trace))
    if arguments.plot is not None:
        save_plot(trace, arguments.plot)
    if arguments.html is not None:
        save_page(trace, arguments.html)
    return EXIT_DONE


def _models(arguments: argparse.Namespace) -> int:
    known = pretrained_models()
    if not known:
        raise NNSearchError(f"expected pretrained networks in {models_dir()}, found none; install nnsearch again")
    sys.stdout.write(f"{'name':20} {'problem':14} {'variables x values':>18}  how it was made\n")
    for name, path in known.items():
        metadata = OnnxScorer(path, "cpu").metadata
        one_hot = metadata.encoder == "one_hot"
        size = f"{metadata.num_variables} x {metadata.num_values}" if one_hot else "any"
        sys.stdout.write(f"{name:20} {metadata.problem:14} {size:>18}  {_how_made(metadata.training)}\n")
    sys.stdout.write("what each was measured to do: models/README.md\n")
    return EXIT_DONE


def _how_made(training: Mapping[str, Any]) -> str:
    if "algorithm" in training:
        return f"{training['algorithm']}, nothing trained"
    config = training.get("config", {})
    if "network" in config and "blocks" in config["network"]:
        blocks = training.get("exported_blocks", config["network"]["blocks"])
        return f"{blocks} blocks, {training.get('steps', '?')} steps"
    loss = config.get("loss", {})
    return f"target {loss.get('target', '?')}, SBR {loss.get('propagator', '?')}"


def _inspect(arguments: argparse.Namespace) -> int:
    scorer = OnnxScorer(arguments.model, arguments.provider)
    metadata = scorer.metadata
    description = {
        "file": str(scorer.path),
        "bytes": scorer.path.stat().st_size,
        "encoder": metadata.encoder,
        "problem": metadata.problem,
        "num_variables": "any" if metadata.num_variables is None else metadata.num_variables,
        "num_values": "any" if metadata.num_values is None else metadata.num_values,
        "precision": metadata.precision,
        **({} if metadata.tolerance is None else {"tolerance": metadata.tolerance}),
        "provider": scorer.provider,
        "training": metadata.training,
    }
    if arguments.json:
        if arguments.latency:
            description["latency"] = _measure_latency(scorer.path, arguments.provider, sys.stderr)
        sys.stdout.write(json.dumps(description) + "\n")
        return EXIT_DONE
    for key, value in description.items():
        if key == "training":
            sys.stdout.write("training\n")
            for inner, detail in metadata.training.items():
                sys.stdout.write(f"  {inner}: {json.dumps(detail)}\n")
        else:
            sys.stdout.write(f"{key}: {value}\n")
    if arguments.latency:
        _measure_latency(scorer.path, arguments.provider, sys.stdout)
    return EXIT_DONE


def _measure_latency(path: Path, provider: Provider, progress: TextIO) -> dict[str, Any]:
    """Write each row as soon as it is measured, and return all of them."""
    rows: list[latency.Latency] = []
    for row in latency.measure(path, provider):
        progress.write(f"{row}\n" if rows else f"latency\n{latency.HEADER}\n{row}\n")
        progress.flush()
        rows.append(row)
    chosen = latency.recommend(rows)
    alone, together = chosen.alone, chosen.together
    progress.write(
        f"one state alone: {alone.milliseconds:.3f} ms on {alone.setting}\n"
        f"recommended for many: {together.states} at once on {together.setting}, "
        f"{together.states_per_second:,.0f} states/s\n"
    )
    return {
        "rows": [row.to_dict() for row in rows],
        "one_state": alone.to_dict(),
        "recommended": together.to_dict(),
    }


def _demo(arguments: argparse.Namespace) -> int:
    terminal = sys.stdout.isatty()
    run_demo(
        DEFAULT_MODEL,
        arguments.time_limit,
        write=_write_now,
        live=terminal,
        colour=terminal and "NO_COLOR" not in os.environ,
    )
    return EXIT_DONE


def _write_now(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
