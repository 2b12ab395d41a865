"""The instances of a search benchmark: files, folders and patterns of files, and generated ones of every family."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.instances.squares import fresh_squares
from nnsearch.errors import ConfigError
from nnsearch.problems import FAMILIES, PartialLatinSquare, Problem, read_problems
from nnsearch.problems.reading import ENDINGS, parse_spec


@dataclass(frozen=True)
class Case:
    """An instance to solve: ``satisfiable`` when a solution is known to exist, and the set that it belongs to, if any.

    The name of a generated instance begins with that of its set.
    """

    instance: Problem
    satisfiable: bool
    group: str | None = None

    @property
    def config(self) -> dict[str, Any]:
        """What a record says about it."""
        instance = self.instance
        config: dict[str, Any] = {"instance": instance.name}
        if isinstance(instance, PartialLatinSquare):
            digest = hashlib.sha256(instance.grid.astype("<i8").tobytes())
            config |= {"order": instance.order, "holes": instance.num_holes}
        else:
            digest = hashlib.sha256(str(instance.build()[0].proto).encode())
            config |= {"problem": instance.problem, "size": instance.describe()}
        config["instance_sha256"] = digest.hexdigest()[:12]
        return config if self.group is None else {**config, "set": self.group}


def set_of(config: dict[str, Any]) -> str:
    """Return the name of the set that the instance of a record belongs to."""
    name: str = config.get("set") or config["instance"].rpartition("-")[0]
    return name


def read(
    specs: Sequence[str],
    *,
    only: Sequence[str] = (),
    first: int | None = None,
    problem: str | None = None,
    num_colours: int | None = None,
) -> list[Case]:
    """Read instances; those of one folder are a set, and so are those of one file that holds several.

    Args:
        specs: Files of any readable format, ``FILE#NAME``, folders (every file in them with a readable ending), and
            patterns such as ``folder/*.dzn``; sorted by name where one stands for several.
        only: Keep instances whose name contains one of these texts; none keeps all.
        first: Keep the first so many of each set; None keeps all.
        problem: The family, where the ending of a file does not tell.
        num_colours: The number of colours, for graphs to colour.

    Raises:
        ConfigError: Nothing is left, or ``first`` is below 1.
        InstanceError: A file cannot be read.
    """
    if first is not None and first < 1:
        raise ConfigError(f"first: expected 1 or more instances of each set, got {first}")
    sets: dict[str, list[Problem]] = {}
    for spec in specs:
        for source in _files(spec):
            path = parse_spec(source).path
            several = path.suffix.lower() in (".jsonl", ".sdm", ".sudoku")
            name = path.stem if several else path.resolve().parent.name
            sets.setdefault(" ".join([name, *only]), []).extend(read_problems(source, problem, num_colours).values())
    chosen = [
        Case(instance, False, name)
        for name, instances in sets.items()
        for instance in [one for one in instances if not only or any(text in one.name for text in only)][:first]
    ]
    if specs and not chosen:
        raise ConfigError(f"expected instances in {' '.join(specs)} with a name that contains {' or '.join(only)}")
    return chosen


def _files(spec: str) -> list[str]:
    path = Path(spec)
    if path.is_dir():
        files = sorted(str(file) for file in path.iterdir() if file.suffix.lower() in ENDINGS)
        if not files:
            raise ConfigError(f"{path}: expected a folder with instances ({', '.join(sorted(ENDINGS))}), found none")
        return files
    # A file whose own name has one of these characters is no pattern.
    if not path.exists() and any(character in path.name for character in "*?["):
        found = sorted(map(str, path.parent.glob(path.name)))
        if not found:
            raise ConfigError(f"{spec}: expected files that match, found none")
        return found
    return [spec]


FORMS = tuple(family.form for family in FAMILIES.values() if family.generate is not None)
"""What :func:`generate` takes."""


def generate(spec: str, count: int, seed: int) -> list[Case]:
    """Generate satisfiable instances of one of :data:`FORMS` with numbers, such as ``sudoku:4:0.65``.

    Raises:
        ConfigError: The text is not of this form, or a number is out of range.
    """
    name, *words = spec.split(":")
    family = FAMILIES.get(name)
    try:
        if family is None or family.generate is None:
            raise ValueError
        sizes = [parse(word) for word, parse in zip(words, family.sizes.values(), strict=True)]
    except ValueError:
        raise ConfigError(f"--generate: expected {' or '.join(FORMS)}, got {spec!r}") from None
    sampler = {"sample": fresh_squares} if name == PartialLatinSquare.problem else {}
    return [Case(instance, True) for instance, _ in family.generate(*sizes, count, seed, **sampler)]
