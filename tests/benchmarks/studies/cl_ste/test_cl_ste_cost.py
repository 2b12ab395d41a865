from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.records import run_jobs
from benchmarks.rendering.figure import draw_charts
from benchmarks.rendering.text import text
from benchmarks.studies.cl_ste import cost
from training.losses.cnf import Cnf

pytest.importorskip("pysdd")

from benchmarks.studies.cl_ste.training.semantic_loss import Diagram, semantic_loss

pytestmark = pytest.mark.slow

few = settings(max_examples=30, deadline=None)


@few
@given(st.lists(st.lists(st.integers(-4, 4).filter(bool), min_size=1, max_size=3), max_size=6), st.integers(0, 10**6))
def test_semantic_loss_is_that_of_all_models(clauses: list[list[int]], seed: int) -> None:
    cnf = Cnf.from_clauses(4, clauses)
    probability = torch.rand(2, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 0.8 + 0.1
    probability.requires_grad_()
    facts = torch.zeros(2, 4)
    facts[1, 0] = 1
    atoms = np.array(list(itertools.product([False, True], repeat=4)))
    models = torch.from_numpy(atoms[cnf.satisfied(atoms).all(1)])
    diagram = Diagram(cnf)
    assert round(2**4 * np.exp(diagram.log_probability(np.full(4, 0.5))[0])) == len(models)
    known = torch.where(facts == 0, probability, facts.double())
    of_models = torch.where(models, known.unsqueeze(1), 1 - known.unsqueeze(1)).prod(2).sum(1)  # [B]
    if (of_models == 0).any():
        assert semantic_loss(probability, facts, diagram) == float("inf")
        return
    expected = -of_models.log().mean()
    got = semantic_loss(probability, facts, diagram)
    torch.testing.assert_close(got, expected)
    torch.testing.assert_close(torch.autograd.grad(got, probability), torch.autograd.grad(expected, probability))


def test_costs_are_measured_and_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "problems", lambda: {"permutation": ["permutation 3"], "sudoku": ["sudoku 9"]})
    suite = cost.Cost(batch=2, repeats=1, compile_seconds=1.0)
    records = run_jobs(tmp_path / "cost.jsonl", cost.jobs(suite), threads=1)
    done = {(r["config"]["problem"], r["config"]["arm"]): r["result"] for r in records}
    assert done["permutation 3", "semantic loss"]["compiled"]
    assert not done["sudoku 9", "semantic loss"]["compiled"]
    assert done["sudoku 9", "straight-through"]["ms"] > 0
    assert done["sudoku 9", "straight-through"]["clauses"] == 11745 + 27 * 9
    assert "permutation 3" in text(cost.summary(records))
    draw_charts(cost.summary(records), tmp_path / "cost.svg")
    assert "straight-through" in (tmp_path / "cost.svg").read_text()


@pytest.mark.parametrize("problem", [name for names in cost.problems().values() for name in names])
def test_every_problem_has_clauses(problem: str) -> None:
    cnf = cost.problem_clauses(problem)
    assert cnf.num_clauses > 0
    assert (cnf.width > 0).all()
