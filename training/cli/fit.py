"""``python -m training fit``."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import docstring_parser
from cyclopts import App, Parameter

from nnsearch.cli.command_line import DONE, INTERRUPTED
from nnsearch.errors import ConfigError, NNSearchError
from nnsearch.output_file import check_output_folder
from nnsearch.problems.cp_model import CpModelFile
from nnsearch.problems.families import FAMILIES
from training.config import config_of, read_table, toml_text
from training.export.export import (
    export,
    export_graph,
    export_model_graph,
    graph_metadata,
    model_graph_metadata,
    training_record,
)
from training.running.distributed import Processes, joined
from training.tasks.dense import fit
from training.tasks.dense_config import DenseConfig
from training.tasks.graph import fit_graph
from training.tasks.graph_config import GraphConfig
from training.tasks.model_graph import fit_model_graph
from training.tasks.model_graph_config import ModelGraphConfig
from training.tasks.run_folder import AnyRunConfig, run_config_of

_USER_MODEL_CONFIG = Path(__file__).parents[1] / "configs" / "cp-model.toml"
_FAMILY_CONFIG = Path(__file__).parents[1] / "configs" / "family.toml"

File = Annotated[Path | None, Parameter(metavar="FILE")]


def _keys(config: AnyRunConfig) -> Iterator[str]:
    """Describe every key of a config by the string under it."""
    for prefix, table in [("", config), *((f"{f.name}.", getattr(config, f.name)) for f in dataclasses.fields(config))]:
        if not dataclasses.is_dataclass(table):
            continue
        for one in docstring_parser.parse_from_object(type(table)).params:
            if one.description:
                value = json.dumps(getattr(table, one.arg_name))
                yield f"  {prefix}{one.arg_name} = {value}"
                yield textwrap.indent(textwrap.fill(" ".join(one.description.split()), 72), "      ")


app = App(
    name="fit",
    help_epilogue="\n".join(
        [
            "keys of the TOML file and of --set with their defaults, for a network of one size:",
            *_keys(DenseConfig()),
            '\nfor a network on the candidate graph (encoder = "candidate_graph"):',
            *_keys(GraphConfig()),
            '\nfor a network on the model graph (encoder = "model_graph"):',
            *_keys(ModelGraphConfig()),
        ]
    ),
)


@Parameter(name="*")
@dataclass(frozen=True)
class FitOptions:
    """What a run is asked to change in its TOML file.

    Attributes:
        order: another size: sets problem.order and the name of the run
        cp_model: a CpModelProto of your own (.pb, .pbtxt): sets data.cp_model
        solutions: its historical solutions (.csv, names first): sets data.history
        models: a folder of models of one family (NAME.pb) with solutions beside them (NAME.solutions.npz: solutions
            int64[S, V], objectives float64[S]), as solve writes them: sets data.models
        history: a store of past solves (plans.db, or a URL) instead of a folder: sets data.history
        seed: sets seed
        device: sets train.device
        pool: sets pool.file: your solutions, .npz or .csv
        set: any key below, e.g. --set loss.weight=0.1
        out: folder of the run (default runs/NAME)
    """

    order: int | None = None
    cp_model: File = None
    solutions: File = None
    models: Annotated[Path | None, Parameter(metavar="FOLDER")] = None
    history: Annotated[str | None, Parameter(metavar="FILE|URL")] = None
    seed: int | None = None
    device: Literal["auto", "cpu", "cuda"] | None = None
    pool: File = None
    set: Annotated[tuple[str, ...], Parameter(metavar="KEY=VALUE", show_default=False)] = ()
    out: Annotated[Path | None, Parameter(metavar="FOLDER")] = None

    def blame(self, error: ConfigError, file: Path) -> ConfigError:
        """Return an error of the config that says where the wrong value was given: by an option, or in the file."""
        given = {text.partition("=")[0]: f"--set {text}" for text in self.set}
        given |= {"seed": f"--seed {self.seed}"} if self.seed is not None else {}
        named = re.match(r"unknown key '([^']+)'|([\w.]+):", str(error))
        key = (named[1] or named[2]) if named else ""
        told = next((text for one, text in given.items() if key and (one == key or one.startswith(f"{key}."))), file)
        return ConfigError(f"{told}: {error}")

    def overrides(self) -> dict[str, str]:
        """Return the keys that they replace; see :func:`training.config.read_table`."""
        overrides: dict[str, str] = {}
        for text in self.set:
            key, separator, value = text.partition("=")
            if not separator:
                raise ConfigError(f"--set: expected KEY=VALUE, got {text!r}")
            overrides[key] = value
        if (self.cp_model is None) != (self.solutions is None):
            raise ConfigError("--cp-model and --solutions go together: a model and its historical solutions")
        family = [name for name in ("models", "history") if getattr(self, name) is not None]
        if len(family) + (self.cp_model is not None) > 1:
            raise ConfigError("--cp-model, --models and --history are one or the other")
        if self.cp_model is not None:
            overrides["encoder"] = "candidate_graph"
        elif family:
            overrides |= {"encoder": "model_graph", "data.models": '""', "data.history": '""'}
        replaced: dict[str, Path | int | str | None] = {
            "seed": self.seed,
            "train.device": self.device,
            "data.cp_model": self.cp_model,
            "data.models": self.models,
            "data.history": self.history or self.solutions,
            "pool.file": self.pool,
        }
        for key, given in replaced.items():
            if given is not None:
                overrides[key] = toml_text(str(given) if isinstance(given, Path) else given)
        return overrides


@app.default
def fit_command(
    config: Annotated[Path | None, Parameter(metavar="CONFIG")] = None, /, *, options: FitOptions = FitOptions()
) -> int:
    """Train the network that a TOML file describes, and export it to FOLDER/NAME.onnx.

    A run lives in a folder (runs/NAME by default): resolved config, pool, checkpoint, metrics.jsonl, TensorBoard
    events. The same command goes on where a stopped run ended (Ctrl-C, a crash, kill -9), to the same result. On
    several GPUs: torchrun --nproc-per-node N -m training fit ...

    Args:
        config: TOML file, for example training/configs/pls.toml; optional with --cp-model, --models and --history
        options: what it changes
    """
    with joined() as processes:
        run, folder = processes.together(lambda: _run_of(config, options))
        path = folder / f"{run.name}.onnx"
        with _no_empty(folder):
            if isinstance(run, ModelGraphConfig):
                return _fit_model_graph(run, folder, path, processes)
            if isinstance(run, GraphConfig):
                return _fit_graph(run, folder, path, processes)
            return _fit_dense(run, folder, path, processes)


@contextmanager
def _no_empty(folder: Path) -> Iterator[None]:
    """Remove the folders that a refused run made, and nothing else."""
    new = [one for one in (folder, *folder.parents) if not one.exists()]
    try:
        yield
    except NNSearchError:
        with suppress(OSError):  # something is in it
            for one in new:
                one.rmdir()
        raise


def _run_of(path: Path | None, options: FitOptions) -> tuple[AnyRunConfig, Path]:
    """Return what ``fit`` is asked to train, and the folder of the run."""
    overrides = options.overrides()
    of_family = options.models is not None or options.history is not None
    if path is None and options.cp_model is None and not of_family:
        raise ConfigError(
            "expected a TOML file, or --models, or --history, or --cp-model and --solutions; see python -m training "
            "fit --help"
        )
    file = path or (_FAMILY_CONFIG if of_family else _USER_MODEL_CONFIG)
    if path is not None and path.is_file() and FAMILIES[CpModelFile.problem].recognises(path.read_bytes()):
        raise ConfigError(f"{path}: expected a TOML file, got a model; say --cp-model {path} --solutions HISTORY.csv")
    table = read_table(file, overrides)
    if path is None and "name" not in overrides:
        given = options.models or options.cp_model
        table["name"] = "family" if given is None else given.resolve().name if of_family else given.stem
    if table.get("encoder") in ("candidate_graph", "model_graph"):
        for option in ("order", "pool"):
            if getattr(options, option) is not None:
                graph = table["encoder"].replace("_", " ")
                raise ConfigError(f"--{option} is for networks of one size; {file} trains one on the {graph}")
    try:
        config = run_config_of(table)
        if isinstance(config, DenseConfig) and options.order is not None:
            table["name"] = f"{config.name}-{options.order}"
            table.setdefault("problem", {})["order"] = options.order
            config = config_of(DenseConfig, table)
    except ConfigError as error:
        raise options.blame(error, file) from None
    folder = options.out or Path("runs") / config.name
    check_output_folder(folder, "--out")
    return config, folder


def _fit_dense(config: DenseConfig, folder: Path, path: Path, processes: Processes) -> int:
    outcome = fit(config, folder, processes)
    shown = f"{outcome.presentations:,} presentations"
    if outcome.interrupted:
        return _interrupted(shown, processes)
    if processes.first:
        export(outcome.network, config.problem.dense(), training_record(config, outcome), path)
        asked = "no propagation" if config.loss.mask == "none" else f"propagation: {config.loss.mask}"
        sys.stdout.write(
            f"{path}: validation feasibility {outcome.feasibility:.4f} (free choice, {asked}) after {shown} in "
            f"{outcome.seconds:.0f} s\nuse it: nnsearch solve INSTANCE --model {path}\n"
        )
    return DONE


def _fit_graph(config: GraphConfig, folder: Path, path: Path, processes: Processes) -> int:
    outcome = fit_graph(config, folder, processes)
    if outcome.interrupted:
        return _interrupted(f"step {outcome.steps:,}", processes)
    if processes.first:
        export_graph(outcome.network, graph_metadata(config, outcome), outcome.data.parity_states(), path)
        rows = [f"{'validation':16} {'cross-entropy':>14} {'values right':>13} {'first choice right':>19}"] + [
            f"{family:16} {values['group']:>14.3f} {values['value']:>13.3f} {values['choice']:>19.3f}"
            for family, values in outcome.measured.items()
        ]
        sys.stdout.write(
            "\n".join(
                [
                    f"{path}: best of {outcome.steps:,} steps at {outcome.best_step:,}, {outcome.seconds:.0f} s",
                    *rows,
                    f"use it: nnsearch solve {config.data.cp_model or 'INSTANCE'} --model {path}\n",
                ]
            )
        )
    return DONE


def _fit_model_graph(config: ModelGraphConfig, folder: Path, path: Path, processes: Processes) -> int:
    outcome = fit_model_graph(config, folder, processes)
    if outcome.interrupted:
        return _interrupted(f"step {outcome.steps:,}", processes)
    if processes.first:
        data, measured = outcome.data, outcome.measured
        export_model_graph(outcome.network, model_graph_metadata(config, outcome), data.parity_states(), path)
        targets = f", targets {measured['targets']:.3f} of the domain away" if "targets" in measured else ""
        sys.stdout.write(
            f"{path}: best of {outcome.steps:,} steps at {outcome.best_step:,}, {outcome.seconds:.0f} s\n"
            f"read of {data.held_out[0].name}: {data.held_out[0].encoding.report}\n"
            f"{len(data.held_out)} held-out models of {len(data.held_out) + len(data.training)}: "
            f"{measured['right']:.1%} of decisions as in good solutions, of the surest 80 % {measured['confident']:.1%}"
            f"{targets}\nuse it: nnsearch solve INSTANCE --model {path}\n"
        )
    return DONE


def _interrupted(at: str, processes: Processes) -> int:
    if processes.first:
        sys.stderr.write(f"interrupted at {at}; the same command goes on from there\n")
    return INTERRUPTED
