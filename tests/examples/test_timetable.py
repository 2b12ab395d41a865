from __future__ import annotations

import re
from pathlib import Path

from example_programs import run_example
from stand_ins import PATIENCE

SIZES = (3, 5, 8)


def test_nobody_is_in_two_talks_at_a_time_and_promises_are_kept(tmp_path: Path) -> None:
    names, lines = run_example("timetable", tmp_path, SIZES=SIZES, SECONDS=PATIENCE)
    assert tuple(names["timetables"]) == SIZES
    for size, timetable in names["timetables"].items():
        everybody = list(range(size))
        assert sorted(timetable) == [(candidate, company) for candidate in everybody for company in everybody]
        for one in everybody:
            assert sorted(timetable[one, company] for company in everybody) == everybody
            assert sorted(timetable[candidate, one] for candidate in everybody) == everybody
        assert names["promised_talks"](size).items() <= timetable.items()
    out = "\n".join(lines)
    assert out.count("  CP-SAT: a timetable in ") == out.count("  with a learned search: a timetable in ") == 3
    assert len(re.findall(r"^  (learned|cp-sat) after \d+\.\d s: .+$", out, re.MULTILINE)) == 3
    way = {period: company for (candidate, company), period in names["timetables"][3].items() if candidate == 0}
    assert out.endswith(f"visits companies {way[0]} {way[1]} {way[2]}")
