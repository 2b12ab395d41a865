"""Every public name is in the reference, with a sentence, its arguments, and examples that work."""

from __future__ import annotations

import dataclasses
import doctest
import inspect
import re
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import griffe
import pytest

import nnsearch
from scripts.docstring_links import names_in_reference

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("nnsearch", "nnsearch.cp", "nnsearch.cpsat", "nnsearch.problems")
NAMES = names_in_reference()
WITH_EXAMPLES = [
    *("nnsearch.cpsat.CpSolver", "nnsearch.cp.solve", "nnsearch.advise", "nnsearch.load_scorer"),
    *("nnsearch.read_latin_square", "nnsearch.scorers.history.CountingScorer", "nnsearch.history.store.Store"),
]
MADE_BY_A_CALL = ("nnsearch.ManySolves",)
"""Classes whose objects nobody makes but a function of the package."""


def value_of(name: str) -> Any:
    module, _, last = name.rpartition(".")
    return getattr(import_module(module), last)


@cache
def _package() -> griffe.Module:
    package = griffe.load("nnsearch", search_paths=[ROOT])
    assert isinstance(package, griffe.Module)
    return package


def docstring_of(name: str) -> str:
    """Return a docstring; of a name that is no class and no function, what stands below it in its file."""
    value = value_of(name)
    if inspect.isclass(value) or inspect.isfunction(value):
        return inspect.getdoc(value) or ""
    found = _package()[name.partition(".")[2]]
    return found.docstring.value if found.docstring is not None else ""


def test_every_public_name_is_in_the_reference() -> None:
    public = {f"{package}.{name}" for package in PACKAGES for name in import_module(package).__all__}
    errors = {f"nnsearch.errors.{name}" for name, value in vars(nnsearch.errors).items() if inspect.isclass(value)}
    assert (public | errors) - set(NAMES) == set()
    inside = {name for name in NAMES if name.rpartition(".")[0] in (*PACKAGES, "nnsearch.errors")}
    assert inside - (public | errors) == set()


@pytest.mark.parametrize("name", NAMES)
def test_it_has_a_sentence(name: str) -> None:
    first = docstring_of(name).split("\n\n")[0]
    assert re.match(r"\S+ .*\.$", first.replace("\n", " ")), f"{name}: {first!r}"


def _expected_arguments(value: Any) -> set[str]:
    if inspect.isfunction(value):
        return set(inspect.signature(value).parameters)
    if dataclasses.is_dataclass(value):
        return {field.name for field in dataclasses.fields(value) if not field.name.startswith("_")}
    if issubclass(value, tuple):
        return set(getattr(value, "_fields", ()))
    own = vars(value).get("__init__")
    return set(inspect.signature(own).parameters) - {"self"} if inspect.isfunction(own) else set()


@pytest.mark.parametrize("name", NAMES)
def test_every_argument_is_explained(name: str) -> None:
    value = value_of(name)
    if name in MADE_BY_A_CALL or not (inspect.isclass(value) or inspect.isfunction(value)):
        return
    if getattr(value, "_is_protocol", False) or (inspect.isclass(value) and issubclass(value, BaseException)):
        return
    explained = set(re.findall(r"^    (\w+): ", docstring_of(name), re.MULTILINE))
    assert _expected_arguments(value) - explained == set(), name


@pytest.mark.parametrize("name", NAMES)
def test_methods_and_properties_have_a_sentence(name: str) -> None:
    value = value_of(name)
    if not inspect.isclass(value):
        return
    fields = {field.name for field in dataclasses.fields(value)} if dataclasses.is_dataclass(value) else set()
    for member, what in vars(value).items():
        if (
            member.startswith("_")
            or member in fields
            or not (inspect.isfunction(what) or isinstance(what, property | classmethod))
        ):
            continue
        text = inspect.getdoc(what) or ""
        assert text.split("\n\n")[0].endswith((".", "?")), f"{name}.{member}: {text!r}"


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_the_examples_work(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nnsearch").symlink_to(ROOT / "nnsearch")
    import nnsearch.cp
    import nnsearch.cpsat

    # The text alone: a class of OR-Tools in between has no source to look into.
    test = doctest.DocTestParser().get_doctest(docstring_of(name), {"nnsearch": nnsearch}, name, None, 0)
    assert test.examples
    printed: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=printed.append)
    assert printed == []
