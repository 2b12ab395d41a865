from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nnsearch.errors import ConfigError
from training import loop
from training.loop import Measurement, Measuring, Task, Training, TrainingProgress
from training.running.checkpoint import load_checkpoint
from training.schedule import ExampleOrder, cosine


class Killed(BaseException):
    """Stands for a process that is gone: nothing catches it."""


@pytest.fixture(autouse=True)
def _every_step(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Checkpoints and lines of progress at each step."""
    for name in ("CHECKPOINT_SECONDS", "_SHOWN_SECONDS", "_LINE_SECONDS"):
        monkeypatch.setattr(loop, name, -1.0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def task(die_at: int = -1, **changed: Any) -> Task:
    """A network with dropout learns to add; nothing is measured."""
    torch.manual_seed(3)
    network = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 1))
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(20, 4, generator=generator)
    order = ExampleOrder(20, 8, seed=1)

    def loss(forward: nn.Module, step: int) -> Tensor:
        if step == die_at:
            raise Killed
        batch = inputs[order.at(step)]
        difference: Tensor = forward(batch).squeeze(1) - batch.sum(1)
        return difference.square().mean()

    settings: dict[str, Any] = {
        "name": "sums",
        "network": network,
        "optimizer": torch.optim.Adam(network.parameters()),
        "rate": cosine(0.1, 10, least=0.1, warm_up=3),
        "steps": 10,
        "loss": loss,
        "identity": "sums of 4",
        "stranger": "sums of other numbers; choose another",
    }
    return Task(**settings | changed)


def weights(trained: Task) -> list[bytes]:
    return [tensor.numpy().tobytes() for tensor in trained.network.state_dict().values()]


@pytest.mark.parametrize(("step", "average"), [(0, 0.0), (1, 0.0), (6, 0.0), (9, 0.0), (1, 0.9), (6, 0.9)])
def test_a_run_that_dies_in_any_step_ends_like_one_that_does_not(step: int, average: float, tmp_path: Path) -> None:
    whole = task(average=average)
    expected = Training(whole, tmp_path / "whole").run()
    with pytest.raises(Killed):
        Training(task(die_at=step, average=average), tmp_path / "parts").run()
    again = task(average=average)
    if step:
        torch.manual_seed(99)  # the checkpoint has the generator
    reached = Training(again, tmp_path / "parts").run()
    assert weights(again) == weights(whole)
    assert (reached.step, reached.finished) == (expected.step, expected.finished) == (10, True)
    assert torch.equal(reached.loss_sum, expected.loss_sum)
    assert [path.name for path in (tmp_path / "parts").iterdir()] == ["checkpoint.pt"]


def test_a_checkpoint_of_another_identity_or_layout_is_refused_in_one_line(tmp_path: Path) -> None:
    Training(task(), tmp_path).run()
    with pytest.raises(ConfigError) as caught:
        Training(task(identity="sums of 5"), tmp_path)
    assert str(caught.value) == f"{tmp_path} holds sums of other numbers; choose another"
    state = load_checkpoint(tmp_path / "checkpoint.pt")
    del state["generator"]
    torch.save(state, tmp_path / "checkpoint.pt")
    with pytest.raises(ConfigError) as caught:
        Training(task(), tmp_path)
    assert str(caught.value).endswith(
        "checkpoint.pt: expected a checkpoint (it lacks generator); remove it to start afresh"
    )


def test_progress_is_lines_where_stderr_is_no_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Training(task(), tmp_path).run()
    shown = capsys.readouterr().err
    lines = shown.splitlines()
    assert "\r" not in shown
    assert len(lines) >= 10
    assert "0/10" in lines[0]
    assert all(line.startswith("sums: ") for line in lines)
    assert "10/10" in lines[-1]
    assert "loss " in lines[-1]


def test_the_best_measurement_is_kept_and_patience_ends_the_run(tmp_path: Path) -> None:
    scores = iter([0.5, 0.1, 0.7, 0.7, 0.2])
    seen: list[tuple[int, bool]] = []

    def measure(step: int, loss: float | None) -> Measurement:
        seen.append((step, loss is None))
        assert not measured.network.training
        score = next(scores)
        return Measurement(score, {"step": step, "score": score}, {"score": score}, f"score {score}")

    measured = task(measuring=Measuring(measure, every=2, at_start=True, patience=2))
    reached = Training(measured, tmp_path).run()
    assert seen == [(0, True), (2, False), (4, False), (6, False), (8, False)]
    assert (reached.step, reached.finished, reached.stale) == (8, True, 2)
    assert (reached.best["step"], reached.best["score"], reached.best["entry"]) == (4, 0.7, {"step": 4, "score": 0.7})
    assert measured.network.training
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert lines[0] == '{"step": 0, "score": 0.5}'
    assert len(lines) == 5
    stored = TrainingProgress.of(load_checkpoint(tmp_path / "checkpoint.pt"))
    assert (stored.history, stored.best["step"]) == (reached.history, 4)


def test_the_average_of_the_weights_is_measured_kept_and_left_and_changes_no_step(tmp_path: Path) -> None:
    plain = task()
    Training(plain, tmp_path / "plain").run()
    seen: list[list[Tensor]] = []

    def measure(step: int, _: float | None) -> Measurement:
        seen.append([tensor.clone() for tensor in averaged.network.state_dict().values()])
        return Measurement(-step, {}, {}, "")  # the first is the best

    averaged = task(average=0.5, measuring=Measuring(measure, every=1, at_start=True))
    steps: list[list[Tensor]] = []

    def noted(forward: nn.Module, step: int) -> Tensor:
        steps.append([tensor.clone() for tensor in averaged.network.state_dict().values()])
        return plain.loss(forward, step)

    averaged = replace(averaged, loss=noted)
    reached = Training(averaged, tmp_path / "averaged").run()
    own = load_checkpoint(tmp_path / "averaged" / "checkpoint.pt")["network"].values()
    assert [tensor.numpy().tobytes() for tensor in own] == weights(plain)
    expected = steps[0]
    for step, after in enumerate([*steps[1:], list(own)]):
        kept = min(0.5, (1 + step) / (10 + step))
        expected = [kept * mean + (1 - kept) * one for mean, one in zip(expected, after, strict=True)]
        torch.testing.assert_close(seen[step + 1], expected)
    assert len(seen) == 11
    assert not torch.equal(seen[-1][0], next(iter(own)))
    assert weights(averaged) == [tensor.numpy().tobytes() for tensor in seen[-1]]
    assert reached.best["step"] == 0
    assert all(torch.equal(*pair) for pair in zip(reached.best["weights"].values(), seen[0], strict=True))


def test_step_sizes_and_examples_are_functions_of_the_step() -> None:
    rate = cosine(2.0, 100, least=0.25, warm_up=4)
    assert [rate(step) for step in (0, 3)] == pytest.approx([0.5, 2.0], rel=1e-2)
    assert rate(99) == 0.5
    assert cosine(2.0, 100)(50) == pytest.approx(1.0)
    order, again = ExampleOrder(10, 4, 0), ExampleOrder(10, 4, 0)
    first = [order.at(step).tolist() for step in range(4)]
    assert [again.at(step).tolist() for step in (3, 0, 2, 1)] == [first[3], first[0], first[2], first[1]]
    assert len({*first[0], *first[1]}) == 8
    assert first[:2] != first[2:]
    assert ExampleOrder(3, 100, 0).batch_size == 3
