"""One instance of any problem family from any file that holds one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import cast

from nnsearch.errors import ConfigError
from nnsearch.problems.families import FAMILIES, PROBLEMS
from nnsearch.problems.files.json_lines import JsonObject, read_objects
from nnsearch.problems.files.source import JSON_ENDING, Spec, check_file, error, first_names, read_bytes, shown
from nnsearch.problems.latin_square.problem import PartialLatinSquare
from nnsearch.problems.problem import Problem, ProblemFamily

ENDINGS = tuple(dict.fromkeys(ending for family in FAMILIES.values() for ending in family.all_endings))
"""The endings of all files that may hold instances."""


def parse_spec(spec: str | Path) -> Spec:
    """Split ``FILE#SELECTOR``; a ``#`` belongs to the name of a file that can hold only one instance."""
    endings = [JSON_ENDING, *(ending for family in FAMILIES.values() for ending in family.numbered)]
    parts = re.fullmatch(
        rf"(.*?(?:{'|'.join(map(re.escape, endings))})(?:\.gz)?)#(.*)", str(spec), re.IGNORECASE | re.DOTALL
    )
    return Spec(Path(parts[1]), parts[2]) if parts else Spec(Path(spec))


def read_problem(spec: str | Path, problem: str | None = None, num_colours: int | None = None) -> Problem:
    """Read one instance.

    Args:
        spec: A file; ``FILE#NAME`` or ``FILE#LINE`` where it has several instances (see :mod:`nnsearch.problems`).
        problem: One of ``PROBLEMS``; None is the family that the ending, or the JSON object, tells.
        num_colours: The number of colours for graph colouring, and only there.

    Raises:
        InstanceError: The file cannot be read, is malformed, has several instances and ``spec`` selects none, or does
            not tell its family.
        ConfigError: The problem is unknown, a graph has no number of colours, or another family has one.
    """
    instances = read_problems(spec, problem, num_colours)
    if len(instances) > 1:
        source = parse_spec(spec)
        got = f"got {len(instances)}; add {source.selects}, one of {first_names(instances)}"
        raise error(source.path, None, f"expected one instance, {got}")
    return next(iter(instances.values()))


def read_problems(
    spec: str | Path, problem: str | None = None, num_colours: int | None = None
) -> Mapping[str, Problem]:
    """Read all instances that a spec stands for, at least one, by what selects them after ``#``.

    A ``.jsonl`` file without a name stands for all of its objects of the family.

    Args:
        spec: As of :func:`read_problem`.
        problem: Likewise.
        num_colours: Likewise.

    Raises:
        InstanceError: The file cannot be read, is malformed, or does not tell its family.
        ConfigError: The problem is unknown, a graph has no number of colours, or another family has one.
    """
    chosen = problem_of(spec) if problem is None else problem
    if chosen not in PROBLEMS:
        raise ConfigError(f"problem: expected one of {', '.join(PROBLEMS)}, got {chosen!r}")
    family, source = FAMILIES[chosen], parse_spec(spec)
    if num_colours is not None and not family.takes_colours:
        raise ConfigError(f"--colours is for graph-colouring, and {spec} is a {chosen}; leave it out")
    if num_colours is None and family.takes_colours:
        raise ConfigError(f"{spec}: expected a number of colours, got none; add --colours K")
    check_file(source, family.all_endings, family.recognises)
    if source.ending == JSON_ENDING and family.read_json is not None:
        return {name: family.read_json(content) for name, content in _objects(source, family).items()}
    return family.read(source) if num_colours is None else family.read(source, num_colours)


def read_latin_square(spec: str | Path) -> PartialLatinSquare:
    """Read one partial Latin square.

    Its rows and columns hold no value twice, but it need not be extendable.

    Args:
        spec: A ``.dzn`` or ``.pls`` file, ``FILE.jsonl#NAME``, or a ``.jsonl`` file that has only one Latin square.

    Raises:
        InstanceError: The file cannot be read, is malformed, or has several instances and ``spec`` names none.

    Examples:
        >>> nnsearch.read_latin_square("nnsearch/demo.dzn").num_holes
        1050
    """
    return cast(PartialLatinSquare, read_problem(spec, PartialLatinSquare.problem))


def read_latin_squares(specs: Iterable[str | Path]) -> list[PartialLatinSquare]:
    """Read several partial Latin squares, in the order given, at least one for each spec.

    A ``.jsonl`` file without ``#NAME`` stands for all of its Latin squares; objects of other families are left out.

    Args:
        specs: As of :func:`read_latin_square`.

    Raises:
        InstanceError: A file cannot be read or is malformed, or a ``.jsonl`` file has no Latin square at all.
    """
    found = [read_problems(spec, PartialLatinSquare.problem) for spec in specs]
    return [cast(PartialLatinSquare, instance) for instances in found for instance in instances.values()]


def problem_of(spec: str | Path) -> str:
    """Return the problem family that the ending of a file, or its JSON object, tells.

    Raises:
        InstanceError: No family has this ending or recognises the content, or several have it; or a ``.jsonl`` file is
            malformed.
    """
    source = parse_spec(spec)
    check_file(source, ENDINGS, lambda content: any(family.recognises(content) for family in FAMILIES.values()))
    if source.ending == JSON_ENDING:
        told = [_family_of(content).name for content in source.select(read_objects(source.path)).values()]
        # A file of several families was one of Latin squares before there were others.
        return PROBLEMS[0] if PROBLEMS[0] in told else told[0]
    fitting = [family.name for family in FAMILIES.values() if source.ending in family.endings]
    if len(fitting) != 1:
        content = read_bytes(source.path)
        fitting = [family.name for family in FAMILIES.values() if family.recognises(content)]
    if len(fitting) != 1:
        message = f"expected a file whose ending tells the problem, got {source.ending}; add --problem"
        raise error(source.path, None, message)
    return fitting[0]


def _family_of(content: JsonObject) -> ProblemFamily:
    return next(family for family in FAMILIES.values() if family.is_json(content.fields))


def _objects(source: Spec, family: ProblemFamily) -> dict[str, JsonObject]:
    """Return the object that a spec names, or every object of a family when it names none; at least one."""
    objects = read_objects(source.path)
    fitting = {name: content for name, content in objects.items() if family.is_json(content.fields)}
    if source.selector is None:
        # Without an object of the family in the file, the first one makes the error.
        chosen = fitting or dict(list(objects.items())[:1])
    else:
        chosen = source.select(objects, among=fitting)
    for content in chosen.values():
        if not family.is_json(content.fields):
            got, reason = _family_of(content).json_words
            told = reason.format_map({key: shown(value) for key, value in content.fields.items()})
            raise content.error(f"expected {family.json_words[0]}, got {got}: {told}")
    return chosen
