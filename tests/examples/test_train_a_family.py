from __future__ import annotations

from itertools import compress, product
from pathlib import Path

import pytest
from example_programs import run_example
from stand_ins import PATIENCE

pytestmark = pytest.mark.slow

TINY = {"MODELS": 3, "THINGS": 8, "SETS": 10, "HOLDERS": (2, 4), "SOLVE_SECONDS": PATIENCE, "STEPS": 5, "NEW": 1}


def test_a_network_is_trained_and_all_find_the_cheapest_cover(tmp_path: Path) -> None:
    names, lines = run_example("train_a_family", tmp_path, **TINY, SECONDS=PATIENCE)
    assert (tmp_path / "runs" / "cover-network" / "covers.onnx").is_file()
    holders, costs = names["random_cover"](1000)
    cheapest = min(
        sum(compress(costs, taken))
        for taken in product((0, 1), repeat=10)
        if all(any(taken[i] for i in sets) for sets in holders)
    )
    rows = [line.split() for line in lines if line.lstrip().startswith("1000 ")]
    assert rows == [["1000", *[str(cheapest)] * 3]]
