"""``python -m training pool | fit | label | evaluate | export | bp``."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import get_type_hints

import numpy as np
from tqdm import tqdm

from nnsearch.cp.policy import InferencePolicy
from nnsearch.cp.restarts import Restarts
from nnsearch.encoding.candidate_graph import GraphState
from nnsearch.errors import ConfigError, NNSearchError, PoolError
from nnsearch.inference.metadata import PRECISIONS, ModelMetadata
from nnsearch.interrupt import DeferredInterrupt
from nnsearch.problems.latin_square.problem import LatinSquare
from nnsearch.scorers.onnx import OnnxScorer
from training.cli.one_line_parser import OneLineParser
from training.config import config_of, read_table, toml_text
from training.data.dense_examples import sample_pool
from training.data.families import Colourings, LatinSquares, Queens, latin_square_pool, planted_instances
from training.data.feasibility import (
    PROPAGATORS,
    fixed_cell,
    free_choice,
    make_states,
    possible_candidates,
    random_fixed_cell,
    random_free_choice,
    score_states,
)
from training.data.graph_source import GraphData, prepare_graph_data
from training.data.graph_states import training_state
from training.data.pools.chunks import Chunk, chunks_of
from training.data.pools.jacobson_matthews import JacobsonMatthews
from training.data.pools.pool import Pool
from training.data.search_labels import LabelInstance, LabelledSearch, SearchLabels
from training.export.export import TRAINED_KINDS, export, export_graph, graph_metadata, training_record
from training.export.network_file import NetworkFile
from training.networks.belief_propagation import BeliefPropagation
from training.networks.mlp import MLP
from training.running.checkpoint import load_checkpoint
from training.running.distributed import Processes, joined
from training.running.fan_out import fan_out
from training.running.output_file import check_output_file, check_output_folder
from training.running.parts import Parts
from training.running.run_folder import read_claim
from training.tasks.dense import Outcome, fit
from training.tasks.dense_config import ORDER, Config, read_config
from training.tasks.graph import GRAPH_KEYS, GraphOutcome, fit_graph, make_network
from training.tasks.graph_config import GraphConfig

_DESCRIPTION = (
    "Train the networks that nnsearch searches with: sample solutions (pool), or take those of your own model; fit a "
    "network to them; label what searches visited; evaluate; export the .onnx file that nnsearch takes."
)

_USER_MODEL_CONFIG = Path(__file__).parent / "configs" / "cp-model.toml"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code: 0 done, 2 bad input, 130 interrupted."""
    arguments = _parser().parse_args(argv)
    try:
        code: int = arguments.run(arguments)
    except (NNSearchError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(prog="python -m training", description=_DESCRIPTION)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    pool = commands.add_parser(
        "pool",
        help="sample solutions",
        description="Sample uniform Latin squares (Jacobson-Matthews) into a pool file that fit can use.",
    )
    pool.add_argument("--order", type=int, default=10, help="order of the squares (default 10)")
    pool.add_argument("--solutions", type=int, default=10_000, help="how many (default 10000)")
    pool.add_argument("--seed", type=int, default=1, help="seed of the sampler (default 1)")
    pool.add_argument(
        "--chunks",
        type=int,
        default=1,
        metavar="N",
        help="independent chains to divide it into, another pool for each number (default 1); what is finished of "
        "several is kept in FILE.npz.parts, and the same command goes on from there",
    )
    pool.add_argument("--out", type=Path, required=True, metavar="FILE.npz", help="the file to write")
    _add_ray(pool, "chunk")
    pool.set_defaults(run=_pool)

    fit_command = commands.add_parser(
        "fit",
        help="train a network and export it",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=(
            "Train the network that a TOML file describes, and export it to FOLDER/NAME.onnx.\n\n"
            "A run lives in a folder (runs/NAME by default): resolved config, pool, checkpoint, metrics.jsonl,\n"
            "TensorBoard events. The same command goes on where a stopped run ended (Ctrl-C, a crash, kill -9),\n"
            "to the same result. On several GPUs: torchrun --nproc-per-node N -m training fit ..."
        ),
        epilog=_config_help(),
    )
    fit_command.add_argument(
        "config",
        type=Path,
        nargs="?",
        help="TOML file, for example training/configs/pls.toml; optional with --cp-model",
    )
    fit_command.add_argument("--order", type=int, help="another size: sets problem.order and the name of the run")
    fit_command.add_argument(
        "--cp-model", type=Path, metavar="FILE", help="a CpModelProto of your own (.pb, .pbtxt): sets data.cp_model"
    )
    fit_command.add_argument(
        "--solutions", type=Path, metavar="FILE", help="its historical solutions (.csv, names first): sets data.history"
    )
    fit_command.add_argument("--seed", type=int, help="sets seed")
    fit_command.add_argument("--device", choices=("auto", "cpu", "cuda"), help="sets train.device")
    fit_command.add_argument("--pool", type=Path, metavar="FILE", help="sets pool.file: your solutions, .npz or .csv")
    fit_command.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="any key below, e.g. --set loss.weight=0.1"
    )
    fit_command.add_argument("--out", type=Path, metavar="FOLDER", help="folder of the run (default runs/NAME)")
    fit_command.set_defaults(run=_fit)

    evaluate = commands.add_parser(
        "evaluate",
        help="measure the feasibility of exported networks on fresh squares",
        description=(
            "Measure how often the suggested assignment of a network can be completed (Algorithm 2 of the paper) on "
            "partial solutions of freshly sampled squares (orders up to 6 have so few that some were trained on), for "
            "every propagation at test time. rnd is a uniform random suggestion, by its exact expectation. For curves "
            "and plots: python -m benchmarks feasibility."
        ),
    )
    evaluate.add_argument("models", nargs="+", metavar="MODEL", help="name of a pretrained network, or an .onnx file")
    evaluate.add_argument("--states", type=int, default=10_000, help="partial solutions to test on (default 10000)")
    evaluate.add_argument("--squares", type=int, default=1_000, help="fresh squares they come from (default 1000)")
    evaluate.add_argument("--seed", type=int, default=20_000, help="seed of the squares (default 20000)")
    evaluate.add_argument("--json", action="store_true", help="one JSON object per line instead of a table")
    evaluate.set_defaults(run=_evaluate)

    export_command = commands.add_parser(
        "export",
        help="export the best weights of a run again",
        description=(
            "Export the best weights so far of a run (finished or not) to ONNX. fit does this at its end by itself. "
            "The file is kept only if ONNX Runtime gives torch's scores."
        ),
    )
    export_command.add_argument("folder", type=Path, help="folder of a run")
    export_command.add_argument(
        "--blocks", type=int, metavar="N", help="candidate graph: another number of blocks than in training"
    )
    export_command.add_argument(
        "--iterations", type=int, metavar="N", help="candidate graph: another number of rounds in each block"
    )
    export_command.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="fp32",
        help="fp16: compute in half precision where that is safe, for GPUs; inputs and output stay float32, and the "
        "scores are checked within a tolerance that the file records (default fp32)",
    )
    export_command.add_argument("--out", type=Path, required=True, metavar="FILE.onnx", help="the file to write")
    export_command.set_defaults(run=_export)

    label = commands.add_parser(
        "label",
        help="label the states that a search visits",
        description=(
            "Search generated instances with a network on the candidate graph, and keep the states visited with what "
            "is known of them: the planted or found solution, and the decisions whose subtrees were exhausted. "
            "fit --set data.labels=FILE trains on them. Finished searches are kept in FILE.npz.parts until the file is "
            "complete; the same command goes on after Ctrl-C, a crash or kill -9."
        ),
    )
    label.add_argument("--model", required=True, metavar="NAME|PATH", help="the network that leads the searches")
    label.add_argument(
        "--instances",
        nargs="+",
        required=True,
        metavar="FAMILY:SIZE:HOLES:COUNT",
        help="latin-square or sudoku (by box), share of holes, how many; e.g. latin-square:25:0.4:50 sudoku:5:0.56:20",
    )
    label.add_argument("--failures", type=int, default=200, help="failures of each search (default 200)")
    label.add_argument("--infer-every", type=int, default=5, metavar="K", help="decisions per inference (default 5)")
    label.add_argument("--states", type=int, default=40, help="states kept of each search (default 40)")
    label.add_argument("--seed", type=int, default=0, help="seed of the instances (default 0)")
    label.add_argument("--out", type=Path, required=True, metavar="FILE.npz", help="the file to write")
    _add_ray(label, "search")
    label.set_defaults(run=_label)

    bp = commands.add_parser(
        "bp",
        help="export belief propagation",
        description="Export training-free belief propagation as a network for any model.",
    )
    bp.add_argument("--iterations", type=int, default=20, help="rounds of messages (default 20)")
    bp.add_argument("--damping", type=float, default=0.5, help="share of the old message that is kept (default 0.5)")
    bp.add_argument("--out", type=Path, required=True, metavar="FILE.onnx", help="the file to write")
    bp.set_defaults(run=_bp)
    return parser


def _add_ray(command: argparse.ArgumentParser, task: str) -> None:
    command.add_argument(
        "--ray",
        metavar="ADDRESS|auto",
        help=f"a Ray cluster, to the same file (default: this process): each {task} is a task; auto is the cluster "
        "that this machine is part of, else a new one on this machine alone",
    )


def _config_help() -> str:
    lines = ["keys of the TOML file and of --set, with their defaults, for a network of one size:"]
    lines += _keys(Config())
    lines += ["", 'for a network on the candidate graph (encoder = "candidate_graph"):']
    return "\n".join(lines + _keys(GraphConfig()))


def _keys(config: Config | GraphConfig) -> list[str]:
    lines = []
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            docs = _attribute_docs(type(value))
            lines += [
                f"  {field.name}.{inner.name} = {json.dumps(getattr(value, inner.name))}\n      {docs[inner.name]}"
                for inner in dataclasses.fields(value)
            ]
        else:
            lines.append(f"  {field.name} = {json.dumps(value)}\n      {_attribute_docs(type(config))[field.name]}")
    return lines


def _attribute_docs(cls: type) -> dict[str, str]:
    """Read the strings under the attributes of a config class, so that --help has one source."""
    import ast
    import inspect
    import textwrap

    body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    assert isinstance(body, ast.ClassDef)
    docs: dict[str, str] = dict.fromkeys(get_type_hints(cls), "")
    for statement, following in zip(body.body, body.body[1:], strict=False):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            value = following.value if isinstance(following, ast.Expr) else None
            if isinstance(value, ast.Constant):
                docs[statement.target.id] = str(value.value)
    return docs


def _check_out(out: Path, ending: str) -> None:
    if out.suffix != ending:
        raise ConfigError(f"--out: expected a file ending in {ending}, got {out}")
    check_output_file(out, "--out")


def _pool(arguments: argparse.Namespace) -> int:
    ORDER.check("--order", arguments.order)
    if arguments.solutions < 1:
        raise ConfigError(f"--solutions: expected 1 or more, got {arguments.solutions}")
    _check_out(arguments.out, ".npz")
    chunks = chunks_of(arguments.order, arguments.solutions, arguments.seed, arguments.chunks)
    if len(chunks) == 1 and arguments.ray is None:
        pool = sample_pool(arguments.order, arguments.solutions, arguments.seed)
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        pool.save(arguments.out)
    else:
        parts = Parts(arguments.out, {"pool": [dataclasses.asdict(chunk) for chunk in chunks]})
        missing = [chunks[index] for index in parts.missing(len(chunks))]
        with closing(fan_out(Chunk.sample, missing, ray=arguments.ray)) as sampled:
            done = len(chunks) - len(missing)
            for chunk, solutions in tqdm(sampled, total=len(chunks), initial=done, desc="pool", unit=" chunks"):
                parts.write(chunk.index, {"solutions": solutions})
        solutions = np.concatenate([parts.read(chunk.index)["solutions"] for chunk in chunks])
        pool = Pool(solutions, first_value=1, num_values=arguments.order)
        pool.save(arguments.out)
        parts.remove()
    sys.stdout.write(f"{arguments.out}: {len(pool.solutions)} Latin squares of order {arguments.order}\n")
    return 0


def _fit(arguments: argparse.Namespace) -> int:
    with joined() as processes:
        config, folder = processes.together(lambda: _run_of(arguments))
        if isinstance(config, GraphConfig):
            return _fit_graph(config, folder, processes)
        return _fit_dense(config, folder, processes)


def _run_of(arguments: argparse.Namespace) -> tuple[Config | GraphConfig, Path]:
    """Return what ``fit`` is asked to train, and the folder of the run."""
    overrides: dict[str, str] = {}
    for text in arguments.set:
        key, separator, value = text.partition("=")
        if not separator:
            raise ConfigError(f"--set: expected KEY=VALUE, got {text!r}")
        overrides[key] = value
    if arguments.seed is not None:
        overrides["seed"] = str(arguments.seed)
    if arguments.device is not None:
        overrides["train.device"] = toml_text(arguments.device)
    if (arguments.cp_model is None) != (arguments.solutions is None):
        raise ConfigError("--cp-model and --solutions go together: a model and its historical solutions")
    if arguments.cp_model is not None:
        overrides["encoder"] = "candidate_graph"
        overrides["data.cp_model"] = toml_text(str(arguments.cp_model))
        overrides["data.history"] = toml_text(str(arguments.solutions))
    elif arguments.config is None:
        raise ConfigError("expected a TOML file, or --cp-model and --solutions; see python -m training fit --help")
    path = arguments.config or _USER_MODEL_CONFIG
    table = read_table(path, overrides)
    if arguments.cp_model is not None and arguments.config is None and "name" not in overrides:
        table["name"] = arguments.cp_model.stem
    if table.get("encoder") == "candidate_graph":
        for option in ("order", "pool"):
            if getattr(arguments, option) is not None:
                raise ConfigError(f"--{option} is for networks of one size; {path} trains one on the candidate graph")
        graph_config = config_of(GraphConfig, table, path)
        return graph_config, _folder_of(arguments, graph_config.name)
    if arguments.pool is not None:
        overrides["pool.file"] = toml_text(str(arguments.pool))
    config = read_config(path, overrides)
    if arguments.order is not None:
        name = f"{config.name}-{arguments.order}"
        config = read_config(path, {**overrides, "problem.order": str(arguments.order), "name": toml_text(name)})
    return config, _folder_of(arguments, config.name)


def _folder_of(arguments: argparse.Namespace, name: str) -> Path:
    folder: Path = arguments.out or Path("runs") / name
    check_output_folder(folder, "--out")
    return folder


def _fit_dense(config: Config, folder: Path, processes: Processes) -> int:
    outcome = fit(config, folder, processes)
    if not processes.first:
        return 130 if outcome.interrupted else 0
    if outcome.interrupted:
        sys.stderr.write(
            f"interrupted at {outcome.presentations:,} presentations; the same command goes on from there\n"
        )
        return 130
    path = folder / f"{config.name}.onnx"
    asked = "no propagation" if config.loss.mask == "none" else f"propagation: {config.loss.mask}"
    export(outcome.network, config.problem.dense(), training_record(config, outcome), path)
    sys.stdout.write(
        f"{path}: validation feasibility {outcome.feasibility:.4f} (free choice, {asked}) after "
        f"{outcome.presentations:,} presentations in {outcome.seconds:.0f} s\n"
        f"use it: nnsearch solve INSTANCE --model {path}\n"
    )
    return 0


def _fit_graph(config: GraphConfig, folder: Path, processes: Processes) -> int:
    outcome = fit_graph(config, folder, processes)
    if not processes.first:
        return 130 if outcome.interrupted else 0
    if outcome.interrupted:
        sys.stderr.write(f"interrupted at step {outcome.steps:,}; the same command goes on from there\n")
        return 130
    path = folder / f"{config.name}.onnx"
    export_graph(outcome.network, graph_metadata(config, outcome), _parity_states(outcome.data), path)
    sys.stdout.write(f"{path}: best of {outcome.steps:,} steps at {outcome.best_step:,}, {outcome.seconds:.0f} s\n")
    sys.stdout.write(f"{'validation':16} {'cross-entropy':>14} {'values right':>13} {'first choice right':>19}\n")
    for family, values in outcome.measured.items():
        sys.stdout.write(f"{family:16} {values['group']:>14.3f} {values['value']:>13.3f} {values['choice']:>19.3f}\n")
    instance = config.data.cp_model or "INSTANCE"
    sys.stdout.write(f"use it: nnsearch solve {instance} --model {path}\n")
    return 0


def _parity_states(data: GraphData) -> list[GraphState]:
    """A few states of each family, on which ONNX Runtime must agree with torch."""
    return [one.state for states in data.validation.values() for one in states[:3]]


def _bp(arguments: argparse.Namespace) -> int:
    _check_out(arguments.out, ".onnx")
    if arguments.iterations < 1 or not 0 <= arguments.damping < 1:
        raise ConfigError("expected 1 or more --iterations and a --damping from 0 to below 1")
    network = BeliefPropagation(arguments.iterations, arguments.damping).eval()
    training = {"algorithm": "belief propagation", "iterations": arguments.iterations, "damping": arguments.damping}
    metadata = ModelMetadata("candidate_graph", "any", training=training, kinds=TRAINED_KINDS)
    rng = np.random.default_rng(0)
    families = (LatinSquares(latin_square_pool((6, 9), 4, 0)), Queens((8,)), Colourings((3,)))
    drawn = [family.draw(rng, tight=True) for family in families for _ in range(3)]
    states = [training_state(one.graph, one.alive, one.holds).state for one in drawn]
    export_graph(network, metadata, [state for state in states if state.num_candidates], arguments.out)
    sys.stdout.write(f"{arguments.out}: belief propagation, {arguments.iterations} rounds\n")
    return 0


def _label(arguments: argparse.Namespace) -> int:
    for name in ("failures", "states"):
        if getattr(arguments, name) < 1:
            raise ConfigError(f"--{name}: expected 1 or more, got {getattr(arguments, name)}")
    _check_out(arguments.out, ".npz")
    scorer = OnnxScorer(arguments.model)
    if scorer.metadata.encoder != "candidate_graph":
        raise ConfigError(f"--model: expected a network on the candidate graph, got {arguments.model}")
    network = NetworkFile.of(scorer)
    instances = [planted for spec in arguments.instances for planted in planted_instances(spec, arguments.seed)]
    search = LabelInstance(
        network,
        failures=arguments.failures,
        policy=InferencePolicy(arguments.infer_every, after_failure=True),
        restarts=Restarts(seed=arguments.seed),
        most=arguments.states,
        seed=arguments.seed,
    )
    names = ("instances", "failures", "infer_every", "states", "seed")
    parts = Parts(arguments.out, {"model_sha256": network.digest, **{name: getattr(arguments, name) for name in names}})
    missing = parts.missing(len(instances))
    tasks = ((index, *instances[index]) for index in missing)
    done = len(instances) - len(missing)
    with DeferredInterrupt() as interrupted:
        with closing(fan_out(search, tasks, ray=arguments.ray, needs=lambda _: network.needs)) as labelled:
            for (index, *_), found in tqdm(labelled, total=len(instances), initial=done, unit=" searches"):
                parts.write(index, found.arrays())
                if interrupted():
                    break
        stopped = interrupted()
    unfinished = parts.missing(len(instances))
    searches = [LabelledSearch.of(parts.read(index)) for index in range(len(instances)) if index not in unfinished]
    states = [state for search in searches for state in search.states]
    if stopped and not states:
        raise KeyboardInterrupt
    if not states:
        parts.remove()
        raise PoolError("expected searches that take decisions, propagation alone solved all; choose more holes")
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    SearchLabels(states).save(arguments.out)
    if not unfinished:
        parts.remove()
    refuted = sum(int((~state.possible).sum()) for state in states)
    sys.stdout.write(
        f"{arguments.out}: {len(states)} states, {refuted} refuted candidates, of {len(searches)} searches "
        f"({sum(one.solved for one in searches)} solved, {sum(one.failures for one in searches)} failures)\n"
    )
    if stopped:
        sys.stderr.write(f"interrupted; the same command goes on with the other {len(unfinished)} searches\n")
    return 130 if stopped else 0


def _evaluate(arguments: argparse.Namespace) -> int:
    scorers = [OnnxScorer(model) for model in arguments.models]
    for scorer in scorers:
        if scorer.metadata.problem != LatinSquare.name:
            raise ConfigError(
                f"{scorer.path}: expected a network for {LatinSquare.name}, got {scorer.metadata.problem}"
            )
    for name in ("states", "squares"):
        if getattr(arguments, name) < 1:
            raise ConfigError(f"--{name}: expected 1 or more, got {getattr(arguments, name)}")
    rows = []
    twice = len({"rnd", *(s.name for s in scorers)}) < len(scorers) + 1  # then names do not tell arms apart
    for order in sorted({scorer.metadata.num_values or 0 for scorer in scorers}):
        problem = LatinSquare(order)
        squares = JacobsonMatthews(order, arguments.seed).sample(arguments.squares)
        solutions = squares.reshape(len(squares), -1) - 1
        states = make_states(problem, solutions, arguments.states, np.random.default_rng(arguments.seed))
        scores = {
            str(s.path) if twice else s.name: score_states(s.score_assignments, states)
            for s in scorers
            if s.metadata.num_values == order
        }
        for propagator in PROPAGATORS:
            possible = possible_candidates(states, propagator)
            random = (random_free_choice(states, possible), random_fixed_cell(states, possible))
            arms = {"rnd": random} | {
                name: (free_choice(states, value, possible), fixed_cell(states, value, possible))
                for name, value in scores.items()
            }
            for arm, questions in arms.items():
                row: dict[str, object] = {"order": order, "arm": arm, "propagation": propagator}
                for question, outcome in zip(("free_choice", "fixed_cell"), questions, strict=True):
                    level = states.by_level(outcome)
                    row[f"{question}_mean"] = round(float(np.nanmean(level)), 4)
                    row[f"{question}_worst"] = round(float(np.nanmin(level)), 4)
                    row[f"{question}_worst_filled"] = int(np.nanargmin(level))
                rows.append(row)
    if arguments.json:
        sys.stdout.writelines(json.dumps(row) + "\n" for row in rows)
        return 0
    titles = ("free choice: mean worst (at)", "fixed cell: mean worst (at)")
    sys.stdout.write(f"{'arm':24} {'order':>5} {'propagation':>11}   {titles[0]:>28}   {titles[1]:>27}\n")
    for row in rows:
        free = f"{row['free_choice_mean']:.3f} {row['free_choice_worst']:.3f} ({row['free_choice_worst_filled']})"
        fixed = f"{row['fixed_cell_mean']:.3f} {row['fixed_cell_worst']:.3f} ({row['fixed_cell_worst_filled']})"
        sys.stdout.write(f"{row['arm']:24} {row['order']:>5} {row['propagation']:>11}   {free:>28}   {fixed:>27}\n")
    return 0


def _export(arguments: argparse.Namespace) -> int:
    _check_out(arguments.out, ".onnx")
    config = read_claim(arguments.folder)
    checkpoint = arguments.folder / "checkpoint.pt"
    if not checkpoint.is_file():
        raise ConfigError(f"{arguments.folder}: expected a checkpoint, found none; start with: python -m training fit")
    if isinstance(config, GraphConfig):
        return _export_graph(config, arguments)
    for name in ("blocks", "iterations"):
        if getattr(arguments, name) is not None:
            raise ConfigError(f"--{name} is for networks on the candidate graph; this run is of one size")
    state = load_checkpoint(checkpoint)
    if not state["history"]:
        raise ConfigError(f"{checkpoint}: expected at least one measurement, found none yet; let the run go on")
    problem = config.problem.dense()
    network = MLP(problem.num_candidates, config.network.hidden)
    network.load_state_dict(state["best"]["weights"])
    outcome = Outcome(
        network=network.eval(),
        feasibility=state["best"]["feasibility"],
        presentations=state["presentations"],
        best_presentations=state["best"]["presentations"],
        num_examples=state["num_examples"],
        num_solutions=state["num_solutions"],
        seconds=state["seconds"],
        interrupted=False,
    )
    record = training_record(config, outcome)
    export(outcome.network, problem, record, arguments.out, precision=arguments.precision)
    sys.stdout.write(f"{arguments.out}: validation feasibility {outcome.feasibility:.4f}\n")
    return 0


def _export_graph(config: GraphConfig, arguments: argparse.Namespace) -> int:
    state = load_checkpoint(arguments.folder / "checkpoint.pt", GRAPH_KEYS)
    chosen = {name: value for name in ("blocks", "iterations") if (value := getattr(arguments, name)) is not None}
    exported = dataclasses.replace(config, network=dataclasses.replace(config.network, **chosen))
    data = prepare_graph_data(config, arguments.folder / "pool.npz")
    network = make_network(exported, data)
    network.load_state_dict(state["best"]["weights"])
    outcome = GraphOutcome(
        network=network.eval(),
        data=data,
        measured=state["best"]["measured"],
        steps=state["step"],
        best_step=state["best"]["step"],
        seconds=state["seconds"],
        interrupted=False,
    )
    metadata = graph_metadata(config, outcome, exported.network)
    export_graph(outcome.network, metadata, _parity_states(data), arguments.out, precision=arguments.precision)
    blocks, iterations = exported.network.blocks, exported.network.iterations
    sys.stdout.write(
        f"{arguments.out}: {blocks} blocks of {iterations} rounds, weights of step {outcome.best_step:,}\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
