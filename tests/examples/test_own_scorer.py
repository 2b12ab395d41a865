from __future__ import annotations

import re
from pathlib import Path

from example_programs import run_example
from stand_ins import PATIENCE

import nnsearch.cp


def test_what_is_printed_is_true(tmp_path: Path) -> None:
    names, lines = run_example("own_scorer", tmp_path, MEETINGS=14, HOURS=8, PEOPLE=5, SECONDS=PATIENCE)
    usual, attended = names["USUAL"], names["MEETINGS_OF"]
    alone, searched, raced, best = (
        int(re.findall(r": (\d+) hours moved", line)[0]) for line in lines if "moved" in line
    )
    moved = {
        name: (int(old), int(new))
        for name, old, new in re.findall(r"^  (.+): (\d+) -> (\d+)$", "\n".join(lines), re.MULTILINE)
    }
    plan = usual | {name: new for name, (_, new) in moved.items()}
    assert all(usual[name] == old for name, (old, _) in moved.items())
    assert all(len({plan[meeting] for meeting in meetings}) == len(meetings) for meetings in attended)
    assert raced == sum(abs(plan[name] - usual[name]) for name in usual)
    assert lines[-1].endswith("optimal")
    assert best <= min(alone, searched, raced)


def test_the_scorer_is_followed(tmp_path: Path) -> None:
    """Where nobody attends two meetings, each stays where it was."""
    names, _ = run_example("own_scorer", tmp_path, MEETINGS=6, HOURS=8, PEOPLE=0, SECONDS=PATIENCE)
    model, hours = names["meetings_model"]()
    result = nnsearch.cp.solve(model, hours, names["NearUsual"]())
    assert result.solution == list(names["USUAL"].values())
