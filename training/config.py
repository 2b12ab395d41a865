"""Configs: frozen dataclasses whose annotations say what values have to be, read from TOML key by key.

A config is a dataclass of plain values and of sections. A :class:`Section` is checked when it is made, by whoever makes
it: ``steps: Annotated[int, at_least(1)] = 5000``. What concerns several values is checked in ``__post_init__``.
"""

from __future__ import annotations

import dataclasses
import json
import math
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from nnsearch.errors import ConfigError

_COMMITTED = Path(__file__).parent / "configs"


def check(condition: bool, message: str) -> None:
    """Raise a ``ConfigError`` with the message unless the condition holds."""
    if not condition:
        raise ConfigError(message)


@dataclass(frozen=True)
class Rule:
    """What a value has to be.

    Attributes:
        expected: the rule in words, to follow "expected".
        holds: whether a value keeps it.
    """

    expected: str
    holds: Callable[[Any], bool]

    def check(self, name: str, value: Any) -> None:
        """Raise a ``ConfigError`` unless the value keeps the rule."""
        check(self.holds(value), f"{name}: expected {self.expected}, got {value!r}")


class ItemRule(Rule):
    """What every item of a list has to be."""

    def check(self, name: str, value: Any) -> None:
        """Raise a ``ConfigError`` for the first item that does not keep the rule."""
        for item in value:
            super().check(name, item)


def some_of(*options: str) -> Rule:
    """Return the rule of lists of some words."""
    return ItemRule(f"some of {', '.join(options)}", options.__contains__)


def at_least(least: float) -> Rule:
    """Return the rule of finite numbers from one on."""
    return Rule(f"{least} or more", lambda value: least <= value < math.inf)


def above(bound: float) -> Rule:
    """Return the rule of finite numbers above one."""
    return Rule(f"above {bound}", lambda value: bound < value < math.inf)


def between(low: float, high: float) -> Rule:
    """Return the rule of numbers in a closed interval."""
    return Rule(f"{low} to {high}", lambda value: low <= value <= high)


def one_of(*options: str) -> Rule:
    """Return the rule of some words."""
    return Rule(f"{', '.join(options[:-1])} or {options[-1]}", lambda value: value in options)


def each(expected: str, holds: Callable[[Any], bool]) -> Rule:
    """Return the rule of lists whose items all keep a condition."""
    return Rule(expected, lambda values: all(map(holds, values)))


SEED = Rule("0 to 4294967295", lambda seed: 0 <= seed < 2**32)
"""Seeds that numpy and torch both take."""

FILE_NAME = Rule("a file name without folders", lambda name: name.strip(". ") != "" and not set(name) & set("/\\"))

PROPER_SHARE = Rule("a share between 0 and 1", lambda share: 0 < share < 1)

SHARE = Rule("a share", lambda share: 0 <= share <= 1)

SHARE_BELOW_1 = Rule("0 to below 1", lambda share: 0 <= share < 1)

WIDTHS = each("widths >= 1", lambda width: width >= 1)


class Section:
    """A table of a config, to be derived from by frozen dataclasses: ``class DataConfig(Section, name="data")``."""

    _prefix = ""

    def __init_subclass__(cls, name: str = "") -> None:
        """Note the name of the table, for messages; a whole config has none."""
        cls._prefix = f"{name}." if name else ""

    def __post_init__(self) -> None:
        """Check every value by the rule of its annotation."""
        for key, rule in rules_of(type(self)).items():
            rule.check(self._prefix + key, getattr(self, key))


def rules_of(cls: type) -> dict[str, Rule]:
    """Return the rules of a class by attribute: those in its annotations."""
    hints = get_type_hints(cls, include_extras=True)
    return {key: rule for key, hint in hints.items() for rule in get_args(hint)[1:] if isinstance(rule, Rule)}


AnyConfig = TypeVar("AnyConfig")


def config_of(cls: type[AnyConfig], table: Mapping[str, Any], source: Path | None = None) -> AnyConfig:
    """Build a config from nested tables, as TOML or JSON give them; a key that is left out has its default.

    Raises:
        ConfigError: a key is unknown, or a value has the wrong type or range; the message names the source and the key.
    """
    try:
        config: AnyConfig = _build(cls, table, "")
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}" if source else str(error)) from None
    return config


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
        meant = f"{path.stem}.toml"
        hint = f"; is training/configs/{meant} meant?" if (_COMMITTED / meant).exists() else ""
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


def config_to_table(config: Any) -> dict[str, Any]:
    """Return nested tables of plain values; :func:`config_of` is the inverse."""
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
