"""The description of a training run: one TOML file, checked key by key, and a seed."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

from nnsearch.errors import ConfigError
from nnsearch.problems.n_queens.problem import QueensBoard
from training.data.dense_problems import KINDS, DenseProblem, dense_problem


def check(condition: bool, message: str) -> None:
    """Raise a ``ConfigError`` with the message unless the condition holds."""
    if not condition:
        raise ConfigError(message)


def check_seed(name: str, seed: int) -> None:
    """Raise a ``ConfigError`` unless a seed is one that numpy and torch both take."""
    check(0 <= seed < 2**32, f"{name}: expected 0 to 4294967295, got {seed}")


def check_order(name: str, order: int) -> None:
    """Raise a ``ConfigError`` unless a network of that order can be trained."""
    check(2 <= order <= 64, f"{name}: expected 2 to 64, got {order}")


def check_name(name: str) -> None:
    """Raise a ``ConfigError`` unless the name of a run can be the name of a file."""
    check(
        name.strip(". ") != "" and not set(name) & set("/\\"),
        f"name: expected a file name without folders, got {name!r}",
    )


@dataclass(frozen=True)
class ProblemConfig:
    """The problem family and its size."""

    kind: str = "latin-square"
    """Problem family: latin-square, sudoku or n-queens."""
    order: int = 10
    """Order of the square: rows, columns and values; number of queens."""

    def __post_init__(self) -> None:
        check(self.kind in KINDS, f"problem.kind: expected {', '.join(KINDS)}, got {self.kind!r}")
        check_order("problem.order", self.order)
        self.dense()

    def dense(self) -> DenseProblem:
        """Return the problem.

        Raises:
            ConfigError: there is none of that order.
        """
        return dense_problem(self.kind, self.order)


@dataclass(frozen=True)
class PoolConfig:
    """Where the solutions come from."""

    solutions: int = 10_000
    """Solutions to sample (Latin squares: uniform, Jacobson-Matthews; others: not uniform, see
    training/data/dense_problems.py); with a file, how many of its first ones to use."""
    seed: int = 1
    """Seed of the sampler."""
    file: str = ""
    """Read the solutions from this .npz or .csv file instead of sampling."""

    def __post_init__(self) -> None:
        check(self.solutions >= 2, f"pool.solutions: expected 2 or more, got {self.solutions}")
        check_seed("pool.seed", self.seed)


@dataclass(frozen=True)
class DataConfig:
    """From solutions to examples."""

    passes: int = 1
    """Deconstructions of each solution (Algorithm 1)."""
    examples: int = 0
    """Training examples to keep, drawn at random from all of them; 0 keeps all."""
    split: str = "solution"
    """What is held out: solution, or example (the paper: parts of one solution are on both sides, which leaks)."""
    held_out: float = 0.25
    """Share of the solutions (of the examples) kept from training; the validation states come from them."""
    validation_states: int = 5_000
    """Partial solutions, over all fill levels, on which feasibility is measured while training."""

    def __post_init__(self) -> None:
        check(self.passes >= 1, f"data.passes: expected 1 or more, got {self.passes}")
        check(self.examples >= 0, f"data.examples: expected 0 or more, got {self.examples}")
        check(self.split in ("solution", "example"), f"data.split: expected solution or example, got {self.split!r}")
        check(0 < self.held_out < 1, f"data.held_out: expected a share between 0 and 1, got {self.held_out}")
        check(self.validation_states >= 1, f"data.validation_states: expected 1 or more, got {self.validation_states}")


@dataclass(frozen=True)
class NetworkConfig:
    """The network."""

    hidden: tuple[int, ...] = (512, 512, 512)
    """Width of each hidden layer."""

    def __post_init__(self) -> None:
        check(all(width >= 1 for width in self.hidden), f"network.hidden: expected widths >= 1, got {self.hidden}")


@dataclass(frozen=True)
class LossConfig:
    """Cross-entropy + weight * SBR."""

    target: str = "single"
    """single: the pair just removed (the paper); solution: uniform over the solution's remaining pairs."""
    propagator: str = "none"
    """Source of knowledge: none (no SBR: the agnostic network), rows (not of n-queens), full, or module:function of
    your own."""
    form: str = "mse"
    """Form of the SBR term: mse, bce or negative."""
    weight: float = 1.0
    """Lambda, the weight of the SBR term."""
    mask: str = "none"
    """Propagation that the network will always be asked after: none, rows or full; what it rules out is left out of the
    cross-entropy's softmax and of validation, so that the network learns what complements it."""

    def __post_init__(self) -> None:
        check(self.target in ("single", "solution"), f"loss.target: expected single or solution, got {self.target!r}")
        check(self.form in ("mse", "bce", "negative"), f"loss.form: expected mse, bce or negative, got {self.form!r}")
        check(self.mask in ("none", "rows", "full"), f"loss.mask: expected none, rows or full, got {self.mask!r}")
        check(0 <= self.weight < math.inf, f"loss.weight: expected 0 or more, got {self.weight}")
        check(
            self.propagator in ("none", "rows", "full") or re.fullmatch("[^:]+:[^:]+", self.propagator) is not None,
            f"loss.propagator: expected none, rows, full or module:function, got {self.propagator!r}",
        )


@dataclass(frozen=True)
class TrainConfig:
    """The optimisation."""

    presentations: int = 3_000_000
    """Budget: examples shown, counted with repetition."""
    batch_size: int = 1024
    """Examples per step."""
    learning_rate: float = 1e-3
    """Adam's step size at the start."""
    decay: str = "none"
    """Step size over the budget: none (the paper), or cosine (to 0)."""
    precision: str = "fp32"
    """fp32, or bf16 (autocast, weights stay fp32)."""
    device: str = "auto"
    """auto (CUDA where there is one), cpu, or cuda."""
    threads: int = 0
    """CPU threads; 0 leaves torch's default. Results are the same only for the same number."""
    evaluate_every: int = 0
    """Presentations between two measurements of validation feasibility; 0 is a tenth of the budget, at most 250000."""
    patience: int = 0
    """Stop after this many measurements without a gain; 0 never stops early."""

    def __post_init__(self) -> None:
        for name in ("presentations", "batch_size"):
            check(getattr(self, name) >= 1, f"train.{name}: expected 1 or more, got {getattr(self, name)}")
        for name in ("evaluate_every", "threads", "patience"):
            check(getattr(self, name) >= 0, f"train.{name}: expected 0 or more, got {getattr(self, name)}")
        check(0 < self.learning_rate < math.inf, f"train.learning_rate: expected above 0, got {self.learning_rate}")
        check(self.decay in ("none", "cosine"), f"train.decay: expected none or cosine, got {self.decay!r}")
        check(self.precision in ("fp32", "bf16"), f"train.precision: expected fp32 or bf16, got {self.precision!r}")
        check(self.device in ("auto", "cpu", "cuda"), f"train.device: expected auto, cpu or cuda, got {self.device!r}")


@dataclass(frozen=True)
class Config:
    """A whole run."""

    name: str = "pls"
    """Name of the run, and of the exported model."""
    seed: int = 0
    """Seed of the split, the deconstruction, the initial weights and the order of the examples."""
    problem: ProblemConfig = field(default_factory=ProblemConfig)
    pool: PoolConfig = field(default_factory=PoolConfig)
    data: DataConfig = field(default_factory=DataConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    train: TrainConfig = field(default_factory=TrainConfig)

    def __post_init__(self) -> None:
        check_name(self.name)
        check_seed("seed", self.seed)
        for key in ("propagator", "mask"):
            check(
                getattr(self.loss, key) != "rows" or self.problem.kind != QueensBoard.name,
                f"loss.{key}: expected none or full for {QueensBoard.name}, got 'rows'",
            )


AnyConfig = TypeVar("AnyConfig")


def read_config(path: Path, overrides: Mapping[str, str] | None = None) -> Config:
    """Read a TOML file of a dense network; see :func:`config_of`."""
    return config_of(Config, read_table(path, overrides), path)


def config_of(cls: type[AnyConfig], table: Mapping[str, Any], path: Path) -> AnyConfig:
    """Build a config from a table that came from a file.

    Raises:
        ConfigError: a key is unknown, or a value has the wrong type or range; the message names the file.
    """
    try:
        return cast(AnyConfig, _build(cls, table, ""))
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def read_table(path: Path, overrides: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Read a TOML file and apply overrides.

    Args:
        path: the file.
        overrides: ``{"loss.weight": "0.1"}``: dotted keys, values as written in TOML (a bare word is a string).

    Raises:
        ConfigError: the file is missing or not TOML, or an override goes through a key that is no table.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        meant = Path(__file__).parent / "configs" / f"{path.stem}.toml"
        hint = f"; is training/configs/{meant.name} meant?" if meant.exists() else ""
        raise ConfigError(f"{path}: expected a TOML file, got: {error.strerror}{hint}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: expected TOML: {error}") from None
    for key, text in (overrides or {}).items():
        *parents, last = key.split(".")
        inner = table
        for parent in parents:
            inner = inner.setdefault(parent, {})
            check(isinstance(inner, dict), f"{key}: {parent} is not a table")
        inner[last] = _toml_value(text)
    return table


def config_from_table(table: Mapping[str, Any]) -> Config:
    """Build a config from nested tables, as TOML or JSON give them.

    Raises:
        ConfigError: as :func:`config_of`.
    """
    return cast(Config, _build(Config, table, ""))


def config_to_table(config: Any) -> dict[str, Any]:
    """Return nested tables of plain values; :func:`config_from_table` is the inverse."""
    table: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config)))
    return table


def config_to_toml(config: Any) -> str:
    """Return the resolved config as TOML text."""
    lines: list[str] = []
    tables: list[str] = []
    for key, value in config_to_table(config).items():
        if isinstance(value, dict):
            tables += ["", f"[{key}]", *(f"{inner} = {toml_text(v)}" for inner, v in value.items())]
        else:
            lines.append(f"{key} = {toml_text(value)}")
    return "\n".join(lines + tables) + "\n"


def toml_text(value: Any) -> str:
    """Write a string, number, boolean or list as TOML, which JSON is but for DEL and surrogate escapes."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        return text


def _build(cls: Any, table: Mapping[str, Any], prefix: str) -> Any:
    hints = get_type_hints(cls)
    known = [f.name for f in dataclasses.fields(cls)]
    values: dict[str, Any] = {}
    for key, value in table.items():
        name = f"{prefix}{key}"
        check(key in known, f"unknown key {name!r}; expected one of {', '.join(prefix + k for k in known)}")
        if dataclasses.is_dataclass(hints[key]):
            check(isinstance(value, dict), f"{name}: expected a table, got {value!r}")
            values[key] = _build(hints[key], value, f"{name}.")
        else:
            values[key] = _convert(hints[key], value, name)
    return cls(**values)


def _convert(hint: Any, value: Any, name: str) -> Any:
    if get_origin(hint) is tuple:
        check(isinstance(value, list), f"{name}: expected a list, got {value!r}")
        return tuple(_convert(get_args(hint)[0], item, name) for item in value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    matches = isinstance(value, hint) and not (isinstance(value, bool) and hint is not bool)
    check(matches, f"{name}: expected {hint.__name__}, got {value!r}")
    return value
