from __future__ import annotations

import dataclasses
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from nnsearch.encoding.candidate_graph import disjoint_union
from nnsearch.errors import ConfigError, NNSearchError, PoolError
from nnsearch.scorers.onnx import OnnxScorer
from training.config import config_of, config_to_table
from training.data.exact_cover import label_latin_squares
from training.data.families import Colourings, LatinSquares, latin_square_pool
from training.data.graph_states import batch_of, tensor_inputs, training_state
from training.data.search_labels import save_labels
from training.data.singleton_consistency import singleton_consistent
from training.export.export import export_graph, graph_metadata
from training.networks.belief_propagation import NeuralBeliefPropagation
from training.running.checkpoint import load_checkpoint
from training.tasks import graph as graph_trainer
from training.tasks.graph import (
    GraphOutcome,
    block_weights,
    fit_graph,
    graph_loss,
    load_weights,
    make_network,
    measure,
)
from training.tasks.graph_config import GraphConfig
from training.tasks.graph_source import prepare_graph_data

# 12 steps, 4 measurements and the one before the first step.
TINY: dict[str, Any] = {
    "name": "tiny",
    "encoder": "candidate_graph",
    "data": {"latin_squares": [5, 6], "queens": [6], "solutions": 6, "validation_states": 4, "least_candidates": 4},
    "network": {"blocks": 2, "iterations": 1, "hidden": 4},
    "train": {
        "steps": 12,
        "candidates_per_step": 60,
        "evaluate_every": 3,
        "learning_rate": 0.02,
        "threads": 1,
        "device": "cpu",
    },
}


class Killed(BaseException):
    """Stands for a process that is gone: nothing catches it."""


@pytest.fixture(autouse=True, scope="module")
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def tiny(**tables: Any) -> GraphConfig:
    table = {key: dict(value) if isinstance(value, dict) else value for key, value in TINY.items()}
    for name, values in tables.items():
        table[name] = {**table.get(name, {}), **values} if isinstance(values, dict) else values
    return config_of(GraphConfig, table, Path("tiny.toml"))


def flat(value: Any) -> Any:
    """Tensors as bytes, so that equal means identical."""
    if isinstance(value, Tensor):
        return value.dtype, value.shape, value.numpy().tobytes()
    if isinstance(value, dict):
        return {key: flat(inner) for key, inner in value.items()}
    return [flat(inner) for inner in value] if isinstance(value, list | tuple) else value


def metrics(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def result(folder: Path) -> Any:
    """All that a run leaves but the seconds it took."""
    state = load_checkpoint(folder / "checkpoint.pt")
    del state["seconds"]
    return {"checkpoint": flat(state), "metrics": metrics(folder)}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[GraphOutcome, Path]:
    folder = tmp_path_factory.mktemp("whole") / "run"
    return fit_graph(tiny(), folder), folder


def stop_at(monkeypatch: pytest.MonkeyPatch, step: int, how: str) -> None:
    """Interrupt or kill the run when it asks for the states of a step."""
    original = batch_of
    seen = 0

    def batch_and_stop(*arguments: Any) -> Any:
        nonlocal seen
        seen += 1
        if seen == step + 1 + 2:  # two families are measured on
            if how == "killed":
                raise Killed
            signal.raise_signal(signal.SIGINT)
        return original(*arguments)

    monkeypatch.setattr(graph_trainer, "batch_of", batch_and_stop)


@pytest.mark.parametrize("how", ["interrupted", "killed"])
@pytest.mark.parametrize("step", [0, 1, 3, 7, 11])
def test_a_stopped_run_ends_as_one_that_was_not(
    step: int, how: str, tmp_path: Path, whole: tuple[GraphOutcome, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        stop_at(patch, step, how)
        if how == "killed":
            with pytest.raises(Killed):
                fit_graph(tiny(), tmp_path)
        else:
            outcome = fit_graph(tiny(), tmp_path)
            assert (outcome.interrupted, outcome.steps) == (step < 11, step + 1)
    again = fit_graph(tiny(), tmp_path)
    assert (again.interrupted, again.steps) == (False, 12)
    assert result(tmp_path) == result(whole[1])
    assert flat(again.network.state_dict()) == flat(whole[0].network.state_dict())
    assert (again.best_step, again.measured) == (whole[0].best_step, whole[0].measured)


def test_two_runs_are_the_same_and_another_seed_is_not(tmp_path: Path, whole: tuple[GraphOutcome, Path]) -> None:
    fit_graph(tiny(), tmp_path / "same")
    assert result(tmp_path / "same") == result(whole[1])
    other = fit_graph(tiny(seed=1), tmp_path / "other")
    assert flat(other.network.state_dict()) != flat(whole[0].network.state_dict())


def test_a_finished_run_is_left_alone(whole: tuple[GraphOutcome, Path]) -> None:
    before = result(whole[1])
    outcome = fit_graph(tiny(), whole[1])
    assert result(whole[1]) == before
    assert flat(outcome.network.state_dict()) == flat(whole[0].network.state_dict())


def test_metrics_hold_one_line_per_measurement(whole: tuple[GraphOutcome, Path]) -> None:
    lines = metrics(whole[1])
    assert [line["step"] for line in lines] == [0, 3, 6, 9, 12]
    assert [line["training_loss"] is None for line in lines] == [True, False, False, False, False]
    for line in lines:
        assert set(line) == {"step", "training_loss", "loss", "measured"}
        assert set(line["measured"]) == {"latin-square", "n-queens"}
        groups = [values["group"] for values in line["measured"].values()]
        assert line["loss"] == pytest.approx(np.mean(groups))
        for values in line["measured"].values():
            assert 0 <= values["choice"] <= 1
            assert 0 <= values["value"] <= 1
    best = min(lines, key=lambda line: line["loss"])
    assert (whole[0].best_step, whole[0].measured) == (best["step"], best["measured"])
    names = {path.name for path in whole[1].iterdir() if not path.name.startswith("events.")}
    assert names == {"config.toml", "config.json", "pool.npz", "checkpoint.pt", "metrics.jsonl"}


def test_the_best_weights_are_kept(whole: tuple[GraphOutcome, Path]) -> None:
    outcome, folder = whole
    assert flat(load_weights(folder)) == flat(outcome.network.state_dict())
    for name, states in outcome.data.validation.items():
        batch = batch_of(states, torch.device("cpu"))
        with torch.inference_mode():
            assert measure(outcome.network(*batch.inputs), batch) == pytest.approx(outcome.measured[name])


@pytest.mark.parametrize("change", [{"seed": 1}, {"train": {"steps": 13}}, {"data": {"tight": 0.1}}], ids=str)
def test_another_config_in_the_same_folder_is_refused(change: dict[str, Any], whole: tuple[GraphOutcome, Path]) -> None:
    before = result(whole[1])
    with pytest.raises(ConfigError, match="holds a run with another config"):
        fit_graph(tiny(**change), whole[1])
    assert result(whole[1]) == before


def test_start_from_another_run(tmp_path: Path, whole: tuple[GraphOutcome, Path]) -> None:
    outcome = fit_graph(tiny(train={"start": str(whole[1]), "steps": 1}), tmp_path / "run")
    first = metrics(tmp_path / "run")[0]
    for family, values in whole[0].measured.items():
        assert first["measured"][family] == pytest.approx(values)
    assert outcome.steps == 1
    # Blocks share their weights, so their number is free.
    fit_graph(tiny(train={"start": str(whole[1]), "steps": 1}, network={"blocks": 3}), tmp_path / "deeper")


def test_start_from_another_width_or_from_no_run_is_refused(tmp_path: Path, whole: tuple[GraphOutcome, Path]) -> None:
    with pytest.raises(ConfigError, match="expected a run of a network of the same width") as caught:
        fit_graph(tiny(train={"start": str(whole[1])}, network={"hidden": 5}), tmp_path / "wide")
    assert len(str(caught.value).splitlines()) == 1
    with pytest.raises(ConfigError, match="expected the folder of a run with a checkpoint"):
        fit_graph(tiny(train={"start": str(tmp_path / "nowhere")}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_least_blocks_draws_the_depth_of_each_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    depths: list[int] = []
    original = NeuralBeliefPropagation.all_blocks

    def all_blocks(self: Any, *arguments: Any, blocks: int | None = None) -> list[Tensor]:
        scores = original(self, *arguments, blocks=blocks)
        if blocks is not None:
            depths.append(len(scores))
        return scores

    monkeypatch.setattr(NeuralBeliefPropagation, "all_blocks", all_blocks)
    config = tiny(train={"least_blocks": 1}, network={"blocks": 3})
    fit_graph(config, tmp_path / "one")
    assert set(depths) == {1, 2, 3}
    first = list(depths)
    depths.clear()
    fit_graph(config, tmp_path / "two")
    assert depths == first
    assert result(tmp_path / "one") == result(tmp_path / "two")
    depths.clear()
    fit_graph(tiny(network={"blocks": 3}, train={"steps": 3}), tmp_path / "all")
    assert depths == [3, 3, 3]
    for least in (-1, 4):
        with pytest.raises(ConfigError, match=r"least_blocks: expected 0 to network\.blocks"):
            tiny(train={"least_blocks": least}, network={"blocks": 3})


def test_knowledge_refutes_candidates_and_trains(tmp_path: Path) -> None:
    family = LatinSquares(latin_square_pool((6,), 6, 0))
    rng = np.random.default_rng(0)
    refuted = 0
    for _ in range(30):
        planted = family.draw(rng, tight=True)
        possible = singleton_consistent(planted.graph, planted.alive)
        assert possible[planted.holds].all()
        given = planted.alive & (planted.graph.count(planted.alive) == 1)[planted.graph.variable]
        grid = np.zeros(36, dtype=np.int64)
        grid[planted.graph.variable[given]] = planted.graph.values[given]
        exact = label_latin_squares(grid.reshape(1, 6, 6))[0] | given
        assert not (exact & ~possible).any()
        refuted += int((planted.alive & ~possible).sum())
    assert refuted > 0
    ignorant = prepare_graph_data(tiny(), tmp_path / "none.npz")
    assert all(state.possible.all() for step in range(10) for state in ignorant.step(step))
    config = tiny(data={"knowledge": "singleton"}, train={"steps": 3})
    data = prepare_graph_data(config, tmp_path / "pool.npz")
    states = [state for step in range(10) for state in data.step(step)]
    assert any(not state.possible.all() for state in states)
    assert all(state.possible[state.holds].all() for state in states)
    outcome = fit_graph(config, tmp_path / "run")
    assert outcome.steps == 3
    batch = batch_of(states, torch.device("cpu"))
    scores = torch.zeros(len(batch.holds))
    with_term = graph_loss(scores, batch, config.loss)
    without = graph_loss(scores, batch, dataclasses.replace(config.loss, refuted=0.0))
    assert with_term > without


def test_steps_are_a_function_of_seed_and_step(tmp_path: Path) -> None:
    data = prepare_graph_data(tiny(), tmp_path / "pool.npz")

    def content(step: int) -> list[bytes]:
        return [array.tobytes() for one in data.step(step) for array in (one.state.candidate, one.holds)]

    first = [content(step) for step in range(4)]
    assert [content(step) for step in (3, 1, 0, 2)] == [first[3], first[1], first[0], first[2]]
    assert len({tuple(one) for one in first}) == 4
    for step in range(4):
        states = data.step(step)
        assert all(one.state.num_candidates >= 4 for one in states)
        assert sum(one.state.num_candidates for one in states) >= 60


def test_labels_are_drawn_by_their_share(tmp_path: Path) -> None:
    planted = Colourings((3,)).draw(np.random.default_rng(0), tight=True)
    state = training_state(planted)
    assert state.state.num_candidates >= 4
    save_labels([state], tmp_path / "labels.npz")
    shares = []
    for share in (0.0, 0.3, 0.9):
        config = tiny(data={"labels": str(tmp_path / "labels.npz"), "label_share": share})
        data = prepare_graph_data(config, tmp_path / "pool.npz")
        drawn = [one.state.candidate.tobytes() for step in range(30) for one in data.step(step)]
        shares.append(np.mean([content == state.state.candidate.tobytes() for content in drawn]))
    # Draws of the families that are solved by propagation are not kept, so the share of what is kept is larger.
    assert shares[0] == 0 < 0.2 < shares[1] < shares[2] < 1
    with pytest.raises(PoolError, match="expected a file of search labels"):
        prepare_graph_data(tiny(data={"labels": str(tmp_path / "none.npz")}), tmp_path / "pool.npz")


def test_states_that_propagation_solves_are_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(PoolError, match=r"lower data\.least_candidates") as caught:
        prepare_graph_data(tiny(data={"least_candidates": 10_000}), tmp_path / "pool.npz")
    assert len(str(caught.value).splitlines()) == 1


def test_block_weights() -> None:
    assert block_weights(1) == [1.0]
    for blocks in (2, 5):
        weights = block_weights(blocks)
        assert sum(weights) == pytest.approx(1)
        assert weights == sorted(weights)
        assert weights[-1] == pytest.approx(10 * weights[0])


def test_measure_by_hand(tmp_path: Path) -> None:
    data = prepare_graph_data(tiny(), tmp_path / "pool.npz")
    batch = batch_of(data.validation["latin-square"], torch.device("cpu"))
    right = measure(10 * batch.holds, batch)
    assert (right["choice"], right["value"]) == (1, 1)
    assert right["group"] == pytest.approx(0, abs=1e-2)
    wrong = measure(-10 * batch.holds, batch)
    assert (wrong["choice"], wrong["value"]) == (0, 0)
    assert wrong["group"] > 5


@pytest.mark.slow
def test_the_export_of_an_untrained_network_gives_the_scores_of_torch(
    tmp_path: Path, whole: tuple[GraphOutcome, Path]
) -> None:
    outcome = dataclasses.replace(whole[0], network=make_network(tiny(), whole[0].data).eval())
    metadata = graph_metadata(tiny(), outcome)
    states = [one.state for family in outcome.data.validation.values() for one in family]
    export_graph(outcome.network, metadata, states[:3], tmp_path / "tiny.onnx")
    scorer = OnnxScorer(tmp_path / "tiny.onnx", provider="cpu")
    for state in [*states, disjoint_union(states)]:
        with torch.inference_mode():
            expected = outcome.network(*tensor_inputs(state, torch.device("cpu"))).numpy()
        np.testing.assert_allclose(scorer.score([state])[0], expected, rtol=1e-4, atol=1e-4)
    assert scorer.metadata.problem == "any"
    assert scorer.metadata.training["config"]["network"]["blocks"] == 2
    assert scorer.metadata.training["best_step"] == outcome.best_step
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.onnx"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": {"latin_squares": [], "queens": []}}, "expected families .* or a cp_model"),
        ({"data": {"cp_model": "m.pb"}}, "not both"),
        ({"data": {"history": "h.csv"}}, "cp_model and history go together"),
        ({"data": {"shares": [1.0]}}, "a positive number for each of the 2 families"),
        ({"data": {"shares": [1.0, 0.0]}}, "a positive number for each of the 2 families"),
        ({"data": {"latin_squares": [1]}}, "orders 2 to 60"),
        ({"data": {"sudokus": [6]}}, "boxes 2 to 5"),
        ({"data": {"queens": [3]}}, "sizes of 4 or more"),
        ({"data": {"colours": [2]}}, "expected 3, 4 or 5"),
        ({"data": {"solutions": 3}}, "expected 4 or more"),
        ({"data": {"held_out": 1.0}}, "between 0 and 1"),
        ({"data": {"knowledge": "psychic"}}, "none or singleton"),
        ({"data": {"label_share": 1.0}}, "0 to below 1"),
        ({"data": {"squares": 3}}, "unknown key 'data.squares'"),
        ({"network": {"hidden": 0}}, "network.hidden: expected 1 or more"),
        ({"network": {"damping": 1.0}}, "0 to below 1"),
        ({"loss": {"refuted": -1.0}}, "loss.refuted: expected 0 or more"),
        ({"train": {"steps": 0}}, "train.steps: expected 1 or more"),
        ({"train": {"device": "tpu"}}, "auto, cpu or cuda"),
        ({"train": {"clip": 0.0}}, "train.clip: expected above 0"),
        ({"seed": -1}, "seed"),
        ({"encoder": "one_hot"}, "expected candidate_graph"),
    ],
    ids=str,
)
def test_bad_values_of_the_config(change: dict[str, Any], message: str) -> None:
    with pytest.raises(NNSearchError, match=message) as caught:
        tiny(**change)
    assert len(str(caught.value).splitlines()) == 1
    assert "tiny.toml" in str(caught.value)


def test_the_config_survives_its_own_table() -> None:
    config = tiny(train={"least_blocks": 1}, data={"shares": [0.25, 0.75]})
    assert config_of(GraphConfig, config_to_table(config), Path("again")) == config
