"""``python -m benchmarks feasibility | search | nodes``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from benchmarks import feasibility, nodes, plots, qwh, search
from benchmarks.networks import load_networks
from benchmarks.records import Job, read_records, run_jobs
from nnsearch.cp import InferencePolicy
from nnsearch.errors import ConfigError, NNSearchError
from nnsearch.instances import read_instances
from nnsearch.limits import Limits

_RESULTS = Path("runs/benchmarks")

_FEASIBILITY = """\
How often is a suggested assignment feasible, that is, part of some solution?

Partial Latin squares are drawn from fresh squares (none from a training pool: check with --pool), evenly over the
number of filled cells, and every pair gets an exact label. Arms: rnd (its exact expectation), smallest-domain (random
value of a random cell among those with fewest values), singles (random pair after singles propagation), and each
network (its best-scored pair). Each is asked with the propagation none, rows and full at test time, two questions:
free choice (any pair) and fixed cell (the value of a given cell, averaged over all unassigned cells).

Reported: the mean over fill levels with a 95 % half width (normal, stratified by level, states independent), the worst
level (a minimum over noisy levels: it is somewhat too low with few states), and the curve."""

_SEARCH = """\
Branches, failures, seconds and inference calls of value orders on the same instances, under equal limits.

Instances: generated quasigroups with holes (always satisfiable), and files. Arms: min-value and random-value (the
engine's phases on the smallest domain), default-phase (the engine's own search), cp-sat (its defaults; conflicts
instead of failures), and each network, where its size fits. All but cp-sat run on the same translation in the CP
engine. The arms take turns on each instance. Every solution is checked without a solver, a wrong answer ends the run,
and runs that reach a limit are counted with it."""

_NODES = """\
Microseconds per branch outside inference: the engine's own phase against nnsearch.cp.ValuePhase.

Solutions of one square are enumerated up to a number of branches. The scorer returns a constant at no cost, in the
order that the engine's phase has, so both walk the same tree, which is checked; what is left is the cost of reading
the state and ordering values at every node. The variable order most-confident walks a tree of its own."""

_RESUME = """\
Each result is appended to --output as one JSON line as soon as it is measured. The same command again measures only
what the file does not hold yet, prints the table and draws the plot."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see --help)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a suite and return the exit code: 0, 2 for bad input, 130 after Ctrl-C."""
    options = _parser().parse_args(arguments)
    try:
        _run(options)
    except NNSearchError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"expected files that can be read and written, got: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write(f"\ninterrupted; {options.output} keeps what was measured, the same command goes on\n")
        return 130
    return 0


def _run(options: argparse.Namespace) -> None:
    plot: Path | None = getattr(options, "plot", None)
    if plot is not None:
        plots.check_plot_file(plot)
    jobs: list[Job] = options.jobs(options)
    known = {Job(record["config"], dict).key for record in read_records(options.output)}
    done = sum(job.key in known for job in jobs)
    if done and not options.fresh:
        sys.stderr.write(f"{done} of {len(jobs)} results are in {options.output}; --fresh measures them again\n")
    records = run_jobs(options.output, jobs, threads=options.threads, fresh=options.fresh)
    if options.check is not None:
        options.check(records)
    sys.stdout.write(options.table(records) + "\n")
    if plot is not None:
        options.draw(records, plot)


def _feasibility_jobs(options: argparse.Namespace) -> list[Job]:
    suite = feasibility.Feasibility(
        options.order, options.squares, options.states, options.seed, tuple(options.pool or ())
    )
    networks = load_networks(options.models, options.provider, options.threads)
    if options.models is None:
        networks = [network for network in networks if network.order == options.order]
    return feasibility.jobs(suite, networks)


def _search_jobs(options: argparse.Namespace) -> list[Job]:
    suite = search.Search(
        seed=options.seed,
        repeats=options.repeats,
        variables=tuple(dict.fromkeys(options.variables)),
        policy=InferencePolicy(options.every, options.after_failure),
        workers=options.workers,
        limits=Limits(options.time_limit, options.failure_limit),
    )
    files = read_instances(options.instances)
    count = (0 if files else 20) if options.count is None else options.count
    if count < 0 or not (count or files):
        raise ConfigError(f"expected instances: a --count of 1 or more, or --instances; got --count {count}")
    planted = qwh.generate(options.order, options.holes, count, options.seed, options.pattern) if count else []
    cases = [search.Case(instance, True) for instance in planted] + [search.Case(instance, False) for instance in files]
    networks = load_networks(options.models, options.provider, options.threads)
    for line in search.misfits(cases, networks):
        sys.stderr.write(line + "\n")
    return search.jobs(suite, cases, networks)


def _nodes_jobs(options: argparse.Namespace) -> list[Job]:
    return nodes.jobs(nodes.Nodes(options.order, options.holes, options.branches, options.repeats, options.seed))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m benchmarks", description="Measure networks and searches; see COMMAND --help.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    command = _command(commands, "feasibility", "feasibility of suggestions, by fill level", _FEASIBILITY)
    command.set_defaults(jobs=_feasibility_jobs, table=feasibility.table, draw=plots.plot_feasibility)
    add = command.add_argument
    add("--order", type=int, default=10, help="order of the squares (default: %(default)s)")
    add("--squares", type=int, metavar="N", help="fresh squares (default: one per state)")
    add("--states", type=int, default=10_000, metavar="N", help="partial squares (default: %(default)s)")
    add("--pool", type=Path, action="append", metavar="FILE", help="a training pool that must hold no test square")
    add("--plot", type=Path, metavar="FILE", help="draw the curves (.svg or .png)")
    _add_networks(command)

    command = _command(commands, "search", "value orders in search", _SEARCH)
    command.set_defaults(jobs=_search_jobs, table=search.table, draw=plots.plot_search, check=search.check_agreement)
    add = command.add_argument
    add("--order", type=int, default=10, help="order of the generated squares (default: %(default)s)")
    add("--holes", type=float, default=0.42, help="share of their cells that are holes (default: %(default)s)")
    add("--pattern", choices=qwh.PATTERNS, default="balanced", help="how holes are spread (default: %(default)s)")
    add("--count", type=int, metavar="N", help="generated instances (default: 20, or 0 with --instances)")
    add("--instances", nargs="+", default=[], metavar="SPEC", help="files: .dzn, .pls, .jsonl, FILE.jsonl#NAME")
    add(
        "--variables",
        nargs="+",
        choices=("min-domain", "most-confident"),
        default=["min-domain"],
        help="variable order of the networks, an arm for each (default: min-domain)",
    )
    add("--every", type=int, default=1, metavar="K", help="ask a network every K decisions, 0 once (default: 1)")
    add("--after-failure", action="store_true", help="ask a network after each failure too")
    add("--time-limit", type=float, default=60.0, metavar="S", help="seconds per run (default: %(default)s)")
    add("--failure-limit", type=int, metavar="N", help="failures per run, conflicts of CP-SAT (default: none)")
    add("--repeats", type=int, default=3, metavar="N", help="seeds of the random-value arm (default: %(default)s)")
    add("--workers", type=int, default=1, metavar="N", help="workers of CP-SAT (default: %(default)s)")
    add("--plot", type=Path, metavar="FILE", help="draw the cactus plots (.svg or .png)")
    _add_networks(command)

    command = _command(commands, "nodes", "the cost of a search node outside inference", _NODES)
    command.set_defaults(jobs=_nodes_jobs, table=nodes.table, threads=1)
    add = command.add_argument
    add("--order", type=int, default=10, help="order of the square (default: %(default)s)")
    add("--holes", type=float, default=1.0, help="share of the cells that are holes (default: all)")
    add("--branches", type=int, default=20_000, metavar="N", help="branches of a walk (default: %(default)s)")
    add("--repeats", type=int, default=7, metavar="N", help="walks of each arm, in turns (default: %(default)s)")
    return parser


def _command(commands: Any, name: str, summary: str, description: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=description,
        epilog=_RESUME,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(check=None)
    output = _RESULTS / f"{name}.jsonl"
    command.add_argument("--output", type=Path, default=output, metavar="FILE", help="results (default: %(default)s)")
    command.add_argument("--fresh", action="store_true", help="measure again what the file already holds")
    command.add_argument("--seed", type=int, default=1, help="seed of the instances (default: %(default)s)")
    return command


def _add_networks(command: argparse.ArgumentParser) -> None:
    command.add_argument("--models", nargs="*", metavar="MODEL", help="names or .onnx files (default: all pretrained)")
    command.add_argument("--provider", choices=("auto", "cpu", "cuda"), default="auto", help="where networks run")
    command.add_argument("--threads", type=int, default=1, help="CPU threads of an inference (default: %(default)s)")


if __name__ == "__main__":
    sys.exit(main())
