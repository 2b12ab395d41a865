import re
from pathlib import Path

import numpy as np
import pytest

from nnsearch.inference.session import OnnxScorer

ROOT = Path(__file__).parents[1]
MODELS = sorted((ROOT / "models").glob("*.onnx"))
COMPARED = ["pls-10-agn", "pls-10-rows", "pls-10-full"]


def test_the_compared_networks_had_equal_budgets() -> None:
    configs = [OnnxScorer(ROOT / "models" / f"{name}.onnx").metadata.training["config"] for name in COMPARED]
    for config in configs:
        del config["name"], config["loss"]["propagator"]
    assert configs[0] == configs[1] == configs[2]


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_card_and_metadata_agree(path: Path) -> None:
    scorer = OnnxScorer(path)
    card = path.with_suffix(".md").read_text()
    training = scorer.metadata.training
    assert f"{training['examples']:,}" in card
    assert f"{training['presentations']:,}" in card
    assert f"{training['validation_feasibility']:.4f}" in card
    assert f"python -m training fit training/configs/{path.stem}.toml" in card
    assert (ROOT / "training" / "configs" / f"{path.stem}.toml").is_file()
    assert path.stem in (ROOT / "models" / "README.md").read_text()


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_files_are_small_and_batches_equal_singles(path: Path) -> None:
    assert path.stat().st_size < 10_000_000
    scorer = OnnxScorer(path)
    rng = np.random.default_rng(0)
    states = (rng.random((8, scorer.num_variables * scorer.num_values)) < 0.05).astype(np.float32)
    singles = np.concatenate([scorer.score(state[None]) for state in states])
    np.testing.assert_allclose(scorer.score(states), singles, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_no_path_of_the_machine_that_trained_is_in_a_file(path: Path) -> None:
    content = path.read_bytes()
    assert b".py" not in content
    assert b"stack_trace" not in content


def test_every_config_is_named_after_its_model() -> None:
    for path in (ROOT / "training" / "configs").glob("pls-*.toml"):
        assert re.search(rf'^name = "{path.stem}"$', path.read_text(), re.MULTILINE)
