"""The picture of README says what the records say."""

from __future__ import annotations

from pathlib import Path

from scripts.picture import draw, label, mean, panels

ROOT = Path(__file__).resolve().parents[2]


def test_the_picture_is_that_of_the_records(tmp_path: Path) -> None:
    drawn = (ROOT / "docs" / "worth.svg").read_text(encoding="utf-8")
    for title, rows in panels():
        assert title.partition(":")[0] in drawn
        for name, logs in rows.items():
            assert f">{label(name)}<" in drawn
            assert f">{mean(logs):.2f}<".replace(">0.", ">.") in drawn, name
    draw(panels(), tmp_path / "again.svg")
    assert (tmp_path / "again.svg").stat().st_size < 100_000
