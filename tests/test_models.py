import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks.instances.families import FAMILIES, Part, Scale
from nnsearch.encoding.candidate_graph import disjoint_union
from nnsearch.encoding.one_hot import OneHot
from nnsearch.inference.pretrained import DEFAULT_MODEL
from nnsearch.model.graph import CandidateGraph
from nnsearch.model.prepared import PreparedModel
from nnsearch.problems import PartialLatinSquare, Problem, graph_colouring, n_queens, sudoku
from nnsearch.scorers.onnx import OnnxScorer

ROOT = Path(__file__).parents[1]
MODELS = sorted((ROOT / "models").glob("*.onnx"))
COMPARED = ["pls-10-agn", "pls-10-rows", "pls-10-full"]


def test_the_compared_networks_had_equal_budgets() -> None:
    configs = [OnnxScorer(ROOT / "models" / f"{name}.onnx").metadata.training["config"] for name in COMPARED]
    for config in configs:
        del config["name"], config["loss"]["propagator"]
    assert configs[0] == configs[1] == configs[2]


every_model = pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)


def test_all_kinds_are_shipped() -> None:
    encoders = {OnnxScorer(path).metadata.encoder for path in MODELS}
    assert encoders == {"one_hot", "candidate_graph", "model_graph"}
    assert DEFAULT_MODEL in [path.stem for path in MODELS]


@every_model
def test_every_network_has_a_card_and_a_row(path: Path) -> None:
    assert path.with_suffix(".md").read_text().startswith("#")
    rows = [line for line in (ROOT / "models" / "README.md").read_text().splitlines() if line.startswith("|")]
    assert any(f"[{path.stem}]({path.stem}.md)" in row for row in rows)


@every_model
def test_card_and_metadata_agree(path: Path) -> None:
    scorer = OnnxScorer(path)
    card = path.with_suffix(".md").read_text()
    training = scorer.metadata.training
    if scorer.metadata.encoder == "one_hot":
        assert f"{training['examples']:,}" in card
        assert f"{training['presentations']:,}" in card
        assert f"{training['validation_feasibility']:.4f}" in card
        assert f"python -m training fit training/configs/{path.stem}.toml" in card
        assert (ROOT / "training" / "configs" / f"{path.stem}.toml").is_file()
    elif scorer.metadata.encoder == "model_graph":
        right, confident = (f"{100 * training['validation'][share]:.1f} %" for share in ("right", "confident"))
        for number in (f"{training['models']} models", f"{training['solutions']:,} good", f"{training['steps']:,}"):
            assert number in card
        assert f"step {training['best_step']:,} was kept" in card
        assert f"{right} of decisions" in card
        assert f"of the surest 80 % {confident}" in card
        assert "python -m training fit --models" in card
    elif "algorithm" in training:
        assert training["algorithm"] in card.lower()
        assert re.search(rf"\b{training['iterations']} (rounds|iterations)\b", card)
        assert "python -m training bp" in card
    else:
        blocks = training.get("exported_blocks", training["config"]["network"]["blocks"])
        assert re.search(rf"\b{blocks} blocks\b", card)
        assert "python -m training" in card


@every_model
def test_files_are_small_and_batches_equal_singles(path: Path) -> None:
    scorer = OnnxScorer(path)
    rng = np.random.default_rng(0)
    if isinstance(scorer.encoder, OneHot):
        assert path.stat().st_size < 10_000_000
        size = scorer.encoder.num_variables * scorer.encoder.num_values
        states = (rng.random((8, size)) < 0.05).astype(np.float32)
        singles = np.concatenate([scorer.run({"assignment": state[None]}) for state in states])
        np.testing.assert_allclose(scorer.run({"assignment": states}), singles, rtol=1e-4, atol=1e-4)
        return
    assert path.stat().st_size < 1_000_000
    if scorer.metadata.encoder == "model_graph":
        family = FAMILIES.get(path.stem, FAMILIES["facility-location"])  # which the general one never saw
        models = [family.build(Scale.TINY, Part.TEST, 0, number).model for number in range(3)]
        read = [PreparedModel(model).graph() for model in models]
        advice = [scorer.prepare(graph).advise(np.ones((1, graph.num_candidates), dtype=bool)) for graph in read]
        for graph, said in zip(read, advice, strict=True):
            assert said.scores.shape == (1, graph.num_candidates)
            assert np.isfinite(said.scores).all()
            twice = scorer.prepare(graph).advise(np.ones((2, graph.num_candidates), dtype=bool))
            np.testing.assert_allclose(twice.scores, np.repeat(said.scores, 2, axis=0), rtol=1e-4, atol=1e-4)
        return
    problems: list[Problem] = [
        n_queens.generate(8, 2, 1, 0)[0][0],
        sudoku.generate(3, 0.6, 1, 0)[0][0],
        PartialLatinSquare("empty", np.zeros((7, 7), dtype=np.int64)),
    ]
    problems.append(graph_colouring.generate(20, 3, 4.0, 1, 0)[0][0])
    graphs = [CandidateGraph.from_model(problem.build()[0]) for problem in problems]
    alive = [graph.propagate(np.ones(graph.num_candidates, dtype=bool)) for graph in graphs]
    found = [scorer.prepare(graph).encoding.encode(row) for graph, row in zip(graphs, alive, strict=True)]
    assert all(state.num_candidates for state in found)
    alone = np.concatenate([scorer.score([state])[0] for state in found])
    for together in (np.concatenate(scorer.score(found)), scorer.score([disjoint_union(found)])[0]):
        assert np.isfinite(together).all()
        np.testing.assert_allclose(together, alone, rtol=1e-2, atol=1e-2)  # as the export's own check


@every_model
def test_no_path_of_the_machine_that_trained_is_in_a_file(path: Path) -> None:
    content = path.read_bytes()
    assert b".py" not in content
    assert b"stack_trace" not in content


def test_every_config_is_named_after_its_model() -> None:
    for path in (ROOT / "training" / "configs").glob("pls-*.toml"):
        assert re.search(rf'^name = "{path.stem}"$', path.read_text(), re.MULTILINE)
