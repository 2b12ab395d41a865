"""``python -m benchmarks``: see the list of suites in the package."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import plots
from benchmarks.instances import instance_sets, qwh
from benchmarks.networks import Network, load_networks
from benchmarks.records import Job, read_records, run_jobs
from benchmarks.report import command as report
from benchmarks.studies.cl_ste import study as study_cl_ste
from benchmarks.studies.label_free import command as study_label_free_command
from benchmarks.studies.sbr import plots as study_sbr_plots
from benchmarks.studies.sbr import search as study_sbr_search
from benchmarks.studies.sbr import search_table as study_sbr_search_table
from benchmarks.studies.sbr import study as study_sbr
from benchmarks.studies.sbr import table as study_sbr_table
from benchmarks.suite_command import add_suite
from benchmarks.suites import feasibility, gather, latency, nodes, policies, race, search, segment_sum, throughput
from nnsearch.cp import InferencePolicy
from nnsearch.cp.trace.plot import check_plot_file
from nnsearch.errors import ConfigError, NNSearchError
from nnsearch.inference.providers import PROVIDERS
from nnsearch.limits import Limits
from nnsearch.problems import PROBLEMS
from nnsearch.problems.latin_square.generating import PATTERNS
from training.cli.one_line_parser import OneLineParser
from training.running.output_file import check_output_file, check_output_folder

_FEASIBILITY = """\
How often is a suggested assignment feasible, that is, part of some solution?

Partial Latin squares are drawn from fresh squares (none from a training pool: check with --pool), evenly over the
number of filled cells, and every pair gets an exact label. Arms: rnd (its exact expectation), smallest-domain (random
value of a random cell among those with fewest values), singles (random pair after singles propagation), and each
network (its best-scored pair). Each is asked with the propagation none, rows and full at test time, two questions:
free choice (any pair) and fixed cell (the value of a given cell, averaged over all unassigned cells). Networks on the
candidate graph, which read what propagation leaves, are asked the fixed cell after full and after singles propagation
(the states that a search has), at any order.
--compare measures the difference of two networks on the same states, fill level by fill level.

The exact labels of some states above order 15 take long: give --label-seconds there, and fewer --states, at fewer
--levels. States whose labels take longer are left out, and counted.

Reported: the mean over fill levels with a 95 % half width (normal, stratified by level, states independent), the worst
level (a minimum over noisy levels: it is somewhat too low with few states), and the curve."""

_SEARCH = """\
Branches, failures, seconds and inference calls of value orders on the same instances, under equal limits.

Instances: generated ones of any family (always satisfiable), and files of any readable format; each file of several
instances, each folder and each generated kind is a set with a table of its own. Arms: min-value and random-value (the
engine's phases on the smallest domain), random-restarts (random orders of values with the restarts of the networks,
only with --restart-after), default-phase (the engine's own search), cp-sat (its defaults; conflicts instead of
failures), and each network, one-hot networks where their size fits. All but cp-sat run on the same translation in the
CP engine. The arms take turns on each instance. Every solution is checked without a solver, a wrong answer ends the
run, and runs that reach a limit are counted with it."""

_RACE = """\
Wall seconds of the drop-in solver against CP-SAT's defaults, on the same instances with the same seeds.

Instances as for search. Arms: cp-sat (cp_model.CpSolver), race/NETWORK for each of --models (nnsearch.cpsat.CpSolver
as it comes), both with --workers workers, and with --dives dives/NETWORK (nnsearch.cpsat.solve_by_dives with one
worker less, at least one, which is CP-SAT's; the network's own decisions come before it). Every arm runs each instance
with --repeats seeds. Seeds are CP-SAT's and the dives'; the learned side of a race has its own, which it keeps. The
clock runs around the solve alone: building the model and loading the network come before it. Arms take turns on each
instance and seed. Every solution is checked without a solver, a wrong answer ends the run, and runs that reach the
limit are counted with it.

Printed for each set of instances, those with a solution and those without apart: seconds, who won, and within pairs of
one instance and seed the ratio of seconds to cp-sat's, and the largest excess of seconds over 1.2 times cp-sat's + 0.5.
Measure with as many free cores as --workers; records say how many there were.

    python -m benchmarks race --orders 40 50 --count 10
    python -m benchmarks race --instances qcp.jsonl --only 10_ext 11_ext 12_ext 13_ext 14_ext"""

_POLICIES = """\
What it costs when one network is asked at other nodes, or the search is divided into runs in another way.

Instances as for search. Arms of the CP engine, one core: under the policy "every 10 + after failure" depth-first,
geometric and Luby restarts, and limited discrepancy search; under geometric restarts every node, every 10 decisions
without the failures, and below a confidence of 0.9 and of 0.99. Names say the numbers. dives*:
the network decides the beginning, CP-SAT (1 worker) the rest; its failures and conflicts are counted together, so
compare it by seconds; --failure-limit is not for it. Every solution is checked without a solver, a wrong answer ends
the run, and runs that reach a limit are counted with it.

    python -m benchmarks policies --orders 30 40 --count 10 --failure-limit 10000"""

_NODES = """\
Microseconds per branch outside inference: the engine's own phase against nnsearch.cp.ValuePhase.

Solutions of one square are enumerated up to a number of branches. The scorer returns a constant at no cost, in the
order that the engine's phase has, so both walk the same tree, which is checked; what is left is the cost of reading
the state and ordering values at every node. The variable order most-confident walks a tree of its own."""

_LATENCY = """\
Milliseconds to score one state of a large partial Latin square by each network on the candidate graph.

The state is the root of a quasigroup with holes after propagation. Encoding it, which a search does too, is timed
apart. The numbers of threads take turns."""

_GATHER = """\
Many searches alone, side by side in greenlets (nnsearch.solve_many), in threads, and in several processes.

Every arm solves the same squares with the same network; the arms take turns, and each must take the decisions of the
solves one at a time, node for node. --stream N then solves N squares through one call and watches the memory.

    python -m benchmarks gather --stream 10000"""

_THROUGHPUT = """\
States per second of networks by batch size, each batch in one call, copies to and from a GPU included.

Networks of one size score random assignments, those on the candidate graph unions of the root of the demo's quasigroup.
Beside it: the session alone on data that already lies on the device, the ratio of both, and the largest difference from
float32 on the CPU as a share of a state's range of scores, which must stay below 1e-4 (1e-2 on the candidate graph).

    python -m benchmarks throughput --provider cuda"""

_STUDY_SBR = """\
What knowledge in the loss (semantic-based regularisation) is worth: the questions of Silvestri, Lombardi and Milano,
"Injecting Domain Knowledge in Neural Networks: a Controlled Experiment on a Constrained Problem" (2021).

Each network of training/configs/study-sbr is trained with several seeds, each with a pool of its own, and then asked
about the same fresh squares, as feasibility does; a network whose examples were split by example, as in the paper, is
asked about its held-out examples too, which leaks. Settings: 10000-solutions (figures 1 to 3 of the paper),
300000-examples and 50000-examples (4 and 5), 1000-solutions and 100-solutions (6 and 7), by-example; only when asked
for with --settings: masked (learns to choose among what full propagation leaves), order-7, order-12, order-15,
sudoku-9, n-queens-20 (whose pools are random, but not uniform). Budgets: full is for a GPU; small ends within 90
minutes on two cores; tiny takes seconds and only shows that the command works. A network of order 15 takes two to three
times as long as one of order 10.

A training that was interrupted, by Ctrl-C or kill -9, goes on from its last checkpoint in --runs.

    python -m benchmarks study sbr --budget small --plot sbr.svg"""

_STUDY_SBR_SEARCH = """\
The networks of study sbr as value orders of a depth-first search, with and without propagation.

Every finished network in --runs completes fresh squares of its own order, none of which is in its pool, under the same
failure limit, without restarts, and is asked at every node. Propagation: none (chronological backtracking), rows and
full (forward checking), engine (all-different and its dual in the CP engine). Questions: free choice (the network picks
the cell too) and fixed cell (the cell with the fewest values is next). Beside the networks: rnd (random scores) and bp
(belief propagation, which knows all constraints). Every solution is checked, a wrong answer ends the run, and searches
that give up are counted with the limit.

    python -m benchmarks study sbr-search --runs runs/study-sbr --plot sbr-search.svg"""

_SEGMENT_SUM = """\
Milliseconds of the ways to sum over groups in ONNX Runtime, and of the ways back, at the sizes of a large square.

Sums: ScatterElements(add), ScatterND(add), and gathering padded lists of members before ReduceSum; back: Gather and
GatherElements. Each answer is compared with numpy's."""

_RESUME = """\
Each result is appended to --output as one JSON line as soon as it is measured. The same command again measures only
what the file does not hold yet, prints the table and draws the plot."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a suite and return the exit code: 0, 2 for bad input, 130 after Ctrl-C."""
    options = _parser().parse_args(arguments)
    try:
        check_output_file(options.output, "--output")
        getattr(options, "run", _run)(options)
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
        check_plot_file(plot)
        check_output_file(plot, "--plot")
    jobs: list[Job] = options.jobs(options)
    known = {Job(record["config"], dict).key for record in read_records(options.output)}
    done = sum(job.key in known for job in jobs)
    if done and not options.fresh:
        sys.stderr.write(f"{done} of {len(jobs)} results are in {options.output}; --fresh measures them again\n")
    records = run_jobs(
        options.output,
        jobs,
        threads=options.threads,
        fresh=options.fresh,
        ray=options.ray,
        processes=options.jobs_at_a_time,
    )
    if options.check is not None:
        options.check(records)
    sys.stdout.write(options.table(records) + "\n")
    if options.ratios is not None:
        sys.stdout.write("\n" + search.ratio_table(records, *options.ratios) + "\n")
    if plot is not None:
        options.draw(records, plot)


def _feasibility_jobs(options: argparse.Namespace) -> list[Job]:
    orders = list(dict.fromkeys(options.order))
    if len(orders) > 1 and options.plot is not None:
        raise ConfigError(f"--plot draws one order, and {len(orders)} are given; give one --order or no --plot")
    suites = [
        feasibility.Feasibility(
            order,
            options.squares,
            states,
            options.seed,
            tuple(options.pool or ()),
            levels,
            options.label_seconds,
        )
        for order, states, levels in zip(
            orders,
            _one_for_each(options.states, orders, "--states"),
            _one_for_each(options.levels or [None], orders, "--levels"),
            strict=True,
        )
    ]
    networks = load_networks(options.models, options.provider, options.threads)
    compare = [_named(networks, name) for name in options.compare or ()]
    jobs: list[Job] = []
    for suite in suites:
        # All of the pretrained ones that fit, and whatever the order those that were asked for by name.
        fitting = networks
        if options.models is None or len(orders) > 1:
            fitting = [network for network in networks if network.order in (None, suite.order)]
        pairs = [(compare[0], compare[1])] if compare and all(one in fitting for one in compare) else []
        jobs += feasibility.jobs(suite, fitting, pairs)
    return jobs


def _one_for_each(values: Sequence[Any], orders: Sequence[int], option: str) -> Sequence[Any]:
    """Return one value for each order: one stands for all."""
    if len(values) not in (1, len(orders)):
        raise ConfigError(f"{option}: expected one number, or one for each of {len(orders)} orders, got {len(values)}")
    return values if len(values) > 1 else [*values] * len(orders)


def _named(networks: Sequence[Network], name: str) -> Network:
    for network in networks:
        if network.name == name:
            return network
    names = ", ".join(network.name for network in networks) or "(none given)"
    raise ConfigError(f"--compare: expected two of the networks {names}, got {name!r}")


def _cases(options: argparse.Namespace) -> list[instance_sets.Case]:
    """Return the instances that the options ask for, generated ones first."""
    cases = instance_sets.read(
        options.instances,
        only=options.only,
        first=options.first,
        problem=options.problem,
        num_colours=options.colours,
    )
    orders = options.order
    if orders is None:
        orders = [] if options.generate or (cases and options.count is None) else [10]
    count = 20 if options.count is None else options.count
    if count < 0 or not (count or cases):
        raise ConfigError(f"expected instances: a --count of 1 or more, or --instances; got --count {count}")
    planted: list[instance_sets.Case] = []
    if count:
        for order in dict.fromkeys(orders):
            squares = qwh.generate(order, options.holes, count, options.seed, options.pattern)
            planted += [instance_sets.Case(square, True) for square in squares]
        for spec in dict.fromkeys(options.generate):
            planted += instance_sets.generate(spec, count, options.seed)
    return planted + cases


def _warn(lines: Sequence[str]) -> None:
    for line in lines:
        sys.stderr.write(line + "\n")


def _search_jobs(options: argparse.Namespace) -> list[Job]:
    suite = search.Search(
        seed=options.seed,
        repeats=options.repeats,
        variables=tuple(dict.fromkeys(options.variables)),
        policy=InferencePolicy(options.infer_every, options.infer_after_failure),
        restart_after=options.restart_after,
        workers=options.workers,
        limits=Limits(options.time_limit, options.failure_limit),
    )
    cases = _cases(options)
    networks = load_networks(options.models, options.provider, options.threads)
    _warn(search.misfits(cases, networks))
    jobs = search.jobs(suite, cases, networks)
    if options.ratios is not None:
        search.check_comparison(jobs, *options.ratios)
    return jobs


def _race_jobs(options: argparse.Namespace) -> list[Job]:
    suite = race.Race(options.seed, options.repeats, options.workers, options.dives, options.time_limit)
    cases = _cases(options)
    networks = load_networks(options.models, options.provider, options.threads)
    jobs = race.jobs(suite, cases, networks)
    _warn(search.misfits(cases, networks))
    if options.ray is None and (cpus := race.usable_cpus()) < suite.workers:
        _warn([f"warning: {suite.workers} workers on {cpus} usable CPUs; these are not the seconds of as many cores"])
    return jobs


def _policies_jobs(options: argparse.Namespace) -> list[Job]:
    suite = policies.Policies(options.seed, options.repeats, Limits(options.time_limit, options.failure_limit))
    cases = _cases(options)
    networks = load_networks([options.model], options.provider, options.threads)
    jobs = policies.jobs(suite, cases, networks[0])
    _warn(search.misfits(cases, networks))
    return jobs


def _latency_jobs(options: argparse.Namespace) -> list[Job]:
    if options.models is None:
        networks = load_networks(None, options.provider, 1)
        specs = [str(network.scorer.path) for network in networks if network.order is None]
    else:
        specs = options.models
    suite = latency.Latency(options.order, options.holes, options.repeats, options.seed)
    return latency.jobs(suite, [load_networks(specs, options.provider, threads) for threads in options.thread_counts])


def _gather_jobs(options: argparse.Namespace) -> list[Job]:
    suite = gather.Gather(
        options.order,
        options.holes,
        options.count,
        options.rounds,
        options.concurrency,
        options.processes,
        options.repeats,
        options.stream,
        options.failure_limit,
        options.seed,
    )
    return gather.jobs(suite, load_networks(options.models, options.provider, options.threads))


def _throughput_jobs(options: argparse.Namespace) -> list[Job]:
    suite = throughput.Throughput(options.seconds, options.repeats)
    return throughput.jobs(suite, load_networks(options.models, options.provider, options.threads))


def _segment_sum_jobs(options: argparse.Namespace) -> list[Job]:
    return segment_sum.jobs(segment_sum.SegmentSum(options.order, options.holes, options.repeats, options.seed))


def _study_sbr_jobs(options: argparse.Namespace) -> list[Job]:
    check_output_folder(options.runs, "--runs")
    settings = tuple(dict.fromkeys(options.settings))
    made = study_sbr.jobs(study_sbr.Study(options.budget, options.runs, settings, options.seed))
    if options.jobs_at_a_time is None:
        options.jobs_at_a_time = study_sbr.BUDGETS[options.budget].processes
    if options.jobs_at_a_time < 1:
        raise ConfigError(f"--processes: expected 1 or more, got {options.jobs_at_a_time}")
    return made


def _study_sbr_search_jobs(options: argparse.Namespace) -> list[Job]:
    study = study_sbr_search.SearchStudy(
        options.budget,
        options.runs,
        tuple(dict.fromkeys(options.settings)),
        tuple(dict.fromkeys(options.holes)),
        options.count,
        options.failure_limit,
        options.seed,
    )
    return study_sbr_search.jobs(study)


def _nodes_jobs(options: argparse.Namespace) -> list[Job]:
    return nodes.jobs(nodes.Nodes(options.order, options.holes, options.branches, options.repeats, options.seed))


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(
        prog="python -m benchmarks", description="Measure networks and searches; see COMMAND --help."
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    command = _command(commands, "feasibility", "feasibility of suggestions, by fill level", _FEASIBILITY)
    command.set_defaults(jobs=_feasibility_jobs, table=feasibility.table, draw=plots.plot_feasibility)
    add = command.add_argument
    add("--order", "--orders", type=int, nargs="+", default=[10], metavar="N", help="of the squares (default: 10)")
    add("--squares", type=int, metavar="N", help="fresh squares (default: one per state)")
    each = "one number, or one for each order"
    add("--states", type=int, nargs="+", default=[10_000], metavar="N", help=f"states, {each} (default: 10000)")
    add("--levels", type=int, nargs="+", metavar="N", help=f"fill levels, {each} (default: all, order * order)")
    add("--label-seconds", type=float, metavar="S", help="time for the exact labels of a state (default: no limit)")
    add("--compare", nargs=2, metavar="NAME", help="two of the networks, the first less the second on each state")
    add("--pool", type=Path, action="append", metavar="FILE", help="a training pool that must hold no test square")
    add("--plot", type=Path, metavar="FILE", help="draw the curves (.svg or .png)")
    _add_networks(command)
    _add_ray(command)

    command = _command(commands, "search", "value orders in search", _SEARCH)
    command.set_defaults(jobs=_search_jobs, table=search.table, draw=plots.plot_search, check=search.check_agreement)
    _add_instances(command)
    add = command.add_argument
    add(
        "--variables",
        nargs="+",
        choices=("min-domain", "most-confident"),
        default=["min-domain"],
        help="variable order of the networks, an arm for each (default: min-domain)",
    )
    add("--infer-every", type=int, default=1, metavar="K", help="ask a network every K decisions, 0 once (default: 1)")
    add("--infer-after-failure", action="store_true", help="ask a network after each failure too")
    add("--restart-after", type=int, metavar="N", help="networks start again after N failures, then ever later")
    add("--time-limit", type=float, default=60.0, metavar="S", help="seconds per run (default: %(default)s)")
    add("--failure-limit", type=int, metavar="N", help="failures per run, conflicts of CP-SAT (default: none)")
    add("--repeats", type=int, default=3, metavar="N", help="seeds of the random arms (default: %(default)s)")
    add("--workers", type=int, default=1, metavar="N", help="workers of CP-SAT (default: %(default)s)")
    add(
        "--compare",
        dest="ratios",
        nargs=2,
        metavar="NAME",
        help="two networks or arms: the ratio of their failures on the same instances",
    )
    add("--plot", type=Path, metavar="FILE", help="draw the cactus plots (.svg or .png)")
    _add_networks(command)
    _add_ray(command)

    command = _command(commands, "race", "the drop-in solver against CP-SAT's defaults", _RACE)
    command.set_defaults(jobs=_race_jobs, table=race.table, check=search.check_agreement)
    _add_instances(command)
    add = command.add_argument
    add("--workers", type=int, default=2, metavar="N", help="of every arm, for both sides of a race (default: 2)")
    add("--dives", action="store_true", help="dives alone too, an arm for each network")
    add("--repeats", type=int, default=3, metavar="N", help="seeds, --seed and on (default: %(default)s)")
    add("--time-limit", type=float, default=60.0, metavar="S", help="seconds per run (default: %(default)s)")
    _add_networks(command, ["bp"])
    _add_ray(command)

    command = _command(commands, "policies", "when to ask a network, and how to divide the search", _POLICIES)
    command.set_defaults(jobs=_policies_jobs, table=policies.table, check=search.check_agreement)
    _add_instances(command)
    add = command.add_argument
    add("--model", default="bp", metavar="MODEL", help="name or .onnx file of the network (default: %(default)s)")
    add("--time-limit", type=float, default=60.0, metavar="S", help="seconds per run (default: %(default)s)")
    add("--failure-limit", type=int, metavar="N", help="failures per run, not of dives (default: none)")
    add("--repeats", type=int, default=1, metavar="N", help="seeds of the arms with noise (default: %(default)s)")
    _add_provider(command)
    _add_ray(command)

    command = _command(commands, "nodes", "the cost of a search node outside inference", _NODES)
    command.set_defaults(jobs=_nodes_jobs, table=nodes.table, threads=1)
    add = command.add_argument
    add("--order", type=int, default=10, help="order of the square (default: %(default)s)")
    add("--holes", type=float, default=1.0, help="share of the cells that are holes (default: all)")
    add("--branches", type=int, default=20_000, metavar="N", help="branches of a walk (default: %(default)s)")
    add("--repeats", type=int, default=7, metavar="N", help="walks of each arm, in turns (default: %(default)s)")

    command = _command(commands, "latency", "time to score a large state by networks on the candidate graph", _LATENCY)
    command.set_defaults(jobs=_latency_jobs, table=latency.table, threads=1)
    add = command.add_argument
    _add_large_square(command)
    add("--thread-counts", type=int, nargs="+", default=[1], metavar="N", help="CPU threads (default: 1)")
    add("--models", nargs="*", metavar="MODEL", help="names or .onnx files (default: all pretrained that read graphs)")
    add("--provider", choices=PROVIDERS, default="auto", help="where networks run")

    command = _command(commands, "gather", "many searches whose inferences are gathered", _GATHER)
    command.set_defaults(jobs=_gather_jobs, table=gather.table)
    add = command.add_argument
    add("--order", type=int, default=10, help="order of the squares (default: %(default)s)")
    add("--holes", type=float, default=0.9, help="share of their cells that are holes (default: %(default)s)")
    add("--count", type=int, default=64, metavar="N", help="squares (default: %(default)s)")
    add("--rounds", type=int, default=1, metavar="N", help="a run solves them N times (default: %(default)s)")
    add("--concurrency", type=int, default=64, metavar="N", help="searches at the same time (default: %(default)s)")
    add("--processes", type=int, default=2, metavar="N", help="of the arm in several processes (default: %(default)s)")
    add("--repeats", type=int, default=7, metavar="N", help="runs of each arm, in turns (default: %(default)s)")
    add("--stream", type=int, default=0, metavar="N", help="also solve N squares through one call (default: none)")
    add("--failure-limit", type=int, default=200, metavar="N", help="failures per search (default: %(default)s)")
    _add_networks(command, ["pls-10-full"])

    command = _command(commands, "throughput", "states per second by batch size", _THROUGHPUT)
    command.set_defaults(jobs=_throughput_jobs, table=throughput.table)
    add = command.add_argument
    add("--seconds", type=float, default=1.0, metavar="S", help="of the timed calls of a batch (default: %(default)s)")
    add("--repeats", type=int, default=1000, metavar="N", help="timed calls of a batch at most (default: %(default)s)")
    _add_networks(command, ["pls-10-full", "bp", "universal"])

    studies = commands.add_parser("study", help="the experiments of a paper").add_subparsers(
        metavar="STUDY", required=True
    )

    command = _command(studies, "sbr", "knowledge in the loss, on partial Latin squares", _STUDY_SBR, "study-sbr")
    command.set_defaults(jobs=_study_sbr_jobs, table=study_sbr_table.table, draw=study_sbr_plots.plot, threads=1)
    add = command.add_argument
    add("--budget", choices=tuple(study_sbr.BUDGETS), default="small", help="how much is spent (default: %(default)s)")
    choices, paper = tuple(study_sbr.SETTINGS), study_sbr.PAPER
    add(
        "--settings", nargs="+", choices=choices, default=paper, metavar="SETTING", help="default: the paper's, all six"
    )
    add("--runs", type=Path, default=Path("runs/study-sbr"), metavar="DIR", help="trainings (default: %(default)s)")
    add(
        "--processes",
        dest="jobs_at_a_time",
        type=int,
        default=None,  # said here: the parser's own default for this name is one job at a time
        metavar="N",
        help="trainings side by side (default: small 2, others 1)",
    )
    add("--plot", type=Path, metavar="FILE", help="draw the figures of the paper (.svg or .png)")

    title, results = "the same networks in a search", "study-sbr-search"
    command = _command(studies, "sbr-search", title, _STUDY_SBR_SEARCH, results)
    table, draw = study_sbr_search_table.table, study_sbr_search_table.plot
    command.set_defaults(jobs=_study_sbr_search_jobs, table=table, draw=draw, threads=1)
    add = command.add_argument
    add("--budget", choices=tuple(study_sbr.BUDGETS), default="small", help="of the trainings (default: %(default)s)")
    add("--runs", type=Path, default=Path("runs/study-sbr"), metavar="DIR", help="trainings (default: %(default)s)")
    searched = study_sbr_search.SEARCHED
    add(
        "--settings",
        nargs="+",
        choices=choices,
        default=searched,
        metavar="SETTING",
        help=f"default: {' '.join(searched)}",
    )
    add("--holes", type=float, nargs="+", default=[0.42, 0.3], metavar="SHARE", help="of the cells (default: .42 .3)")
    add("--count", type=int, default=50, metavar="N", help="squares of each share of holes (default: %(default)s)")
    add("--failure-limit", type=int, default=2_000, metavar="N", help="failures per search (default: %(default)s)")
    add("--plot", type=Path, metavar="FILE", help="draw failures against propagation (.svg or .png)")

    study_cl_ste.add_commands(studies)
    study_label_free_command.add_command(studies)

    command = _command(commands, "segment-sum", "ways to sum over groups in ONNX Runtime", _SEGMENT_SUM)
    command.set_defaults(jobs=_segment_sum_jobs, table=segment_sum.table, threads=1)
    _add_large_square(command)

    report.add_command(commands)
    return parser


def _add_instances(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add(
        "--order",
        "--orders",
        type=int,
        nargs="+",
        metavar="N",
        help="of generated quasigroups with holes (default: 10)",
    )
    add("--holes", type=float, default=0.42, help="share of their cells that are holes (default: %(default)s)")
    add("--pattern", choices=PATTERNS, default="balanced", help="how holes are spread (default: %(default)s)")
    forms = ", ".join(instance_sets.FORMS)
    add("--generate", nargs="+", default=[], metavar="SPEC", help=f"other generated instances: {forms}")
    add("--count", type=int, metavar="N", help="instances of each generated kind (default: 20, or 0 with --instances)")
    add(
        "--instances",
        nargs="+",
        default=[],
        metavar="SPEC",
        help="files of any format that nnsearch reads, FILE#NAME, folders, patterns such as 'folder/*.dzn'",
    )
    add(
        "--only",
        nargs="+",
        default=[],
        metavar="TEXT",
        help="of the files, instances whose name has one of these texts",
    )
    add("--first", type=int, metavar="N", help="of the files, the first N instances of each set")
    add("--problem", choices=PROBLEMS, help="of the files (default: the family that the ending tells)")
    add("--colours", type=int, metavar="K", help="number of colours, for .col files")


def _add_large_square(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--order", type=int, default=50, help="order of the square (default: %(default)s)")
    add("--holes", type=float, default=0.42, help="share of its cells that are holes (default: %(default)s)")
    add("--repeats", type=int, default=30, metavar="N", help="timed runs; the median counts (default: %(default)s)")


def _command(
    commands: Any, name: str, summary: str, description: str, results: str | None = None
) -> argparse.ArgumentParser:
    """Add a suite; its results are named after it, or as ``results`` says."""
    command = add_suite(commands, name, summary, description, _RESUME, results or name)
    command.add_argument("--seed", type=int, default=1, help="seed of the instances (default: %(default)s)")
    return command


def _add_networks(command: argparse.ArgumentParser, default: Sequence[str] | None = None) -> None:
    known = "all pretrained" if default is None else " ".join(default)
    command.add_argument(
        "--models", nargs="*", default=default, metavar="MODEL", help=f"names or .onnx files (default: {known})"
    )
    _add_provider(command)


def _add_ray(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--ray",
        metavar="ADDRESS|auto",
        help="measure on a Ray cluster (default: in this process); auto is the cluster that this machine is part of, "
        "else a new one on this machine alone",
    )


def _add_provider(command: argparse.ArgumentParser) -> None:
    command.add_argument("--provider", choices=PROVIDERS, default="auto", help="where networks run")
    command.add_argument("--threads", type=int, default=1, help="CPU threads of an inference (default: %(default)s)")


if __name__ == "__main__":
    sys.exit(main())
