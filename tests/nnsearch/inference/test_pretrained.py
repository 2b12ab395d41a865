from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ortools.sat.python import cp_model
from stand_ins import ROOT, network, saved

from benchmarks.instances.families import FAMILIES, Part, Scale
from nnsearch.cpsat.guess import Guess
from nnsearch.errors import ModelFileError
from nnsearch.inference import pretrained
from nnsearch.inference.pretrained import find_model, models_dir, pretrained_models
from nnsearch.model.graph import CandidateGraph
from nnsearch.plain_solver import plain_solver
from nnsearch.scorers.onnx import OnnxScorer, load_scorer


@pytest.fixture
def two_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("b", "a"):
        saved(network(1, 2), tmp_path / f"{name}.onnx")
    (tmp_path / "README.md").write_text("not a network")
    monkeypatch.setattr(pretrained, "models_dir", lambda: tmp_path)
    return tmp_path


def test_names_are_those_of_the_files(two_models: Path) -> None:
    assert pretrained_models() == {"a": two_models / "a.onnx", "b": two_models / "b.onnx"}
    assert find_model("b") == two_models / "b.onnx"


@pytest.mark.parametrize("name", ["c", "", "A", "README", "a.ONNX"])
def test_an_unknown_name_lists_the_known_ones(two_models: Path, name: str) -> None:
    with pytest.raises(ModelFileError) as caught:
        find_model(name)
    assert str(caught.value) == (
        f"unknown model {name!r}: expected one of a, b, a path to an .onnx file, or lp, the linear relaxation, where a "
        "scorer will do"
    )


def test_a_name_without_models_says_so(two_models: Path) -> None:
    for path in two_models.glob("*.onnx"):
        path.unlink()
    with pytest.raises(ModelFileError, match=r"^unknown model 'a': expected one of \(none installed\), a path"):
        find_model("a")


def test_a_path_is_not_a_name(two_models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(two_models)
    assert find_model("./a.onnx") == Path("a.onnx")
    assert find_model(Path("a.onnx")) == find_model("a.onnx") == Path("a.onnx")
    for missing in ("c.onnx", "./c", Path("c"), "a/b", "..\\a"):
        with pytest.raises(ModelFileError, match=r": expected an \.onnx file, found none$"):
            find_model(missing)


def test_a_clone_has_its_models_beside_the_package() -> None:
    assert models_dir() in (ROOT / "models", ROOT / "nnsearch" / "models")


@pytest.mark.parametrize("name", ["pls-10-agn", "pls-10-full", "pls-10-rows"])
def test_the_published_networks_load(name: str) -> None:
    if name not in pretrained_models():
        pytest.skip(f"no {name} in {models_dir()}")
    scorer = OnnxScorer(name)
    assert (scorer.name, scorer.metadata.num_variables, scorer.metadata.num_values) == (name, 100, 10)
    assert scorer.metadata.problem == "latin-square"
    assert 0 < scorer.metadata.training["validation_feasibility"] <= 1
    assert (models_dir() / f"{name}.md").is_file(), "every network has a model card"


@pytest.mark.parametrize("family", ["generalised-assignment", "shift-rosters"])
def test_what_the_general_network_is_surest_of_is_mostly_right(family: str) -> None:
    """Of new instances of a family that it learned from, and of one that it never saw."""
    model = FAMILIES[family].build(Scale.TINY, Part.TEST, 1, 0).model
    graph = CandidateGraph.from_model(model)
    advice = load_scorer("linear").prepare(graph).advise(np.ones((1, graph.num_candidates), dtype=bool))
    guess = Guess.of(advice, graph)
    solver = plain_solver()
    solver.parameters.num_workers = 1
    assert solver.solve(model) == cp_model.OPTIMAL
    best = np.array(solver.response_proto.solution)
    surest = guess.variables[: len(guess.variables) // 2]
    assert (best[surest] == guess.values[: len(surest)]).mean() > 0.8
