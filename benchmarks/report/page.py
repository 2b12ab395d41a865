"""The page as text: the template, its style and script, the chart library and the payload, all in one file."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import Any

from benchmarks.records import Record, distinct
from benchmarks.rendering.parts import Chart, PageSection
from benchmarks.report import training_section
from benchmarks.report.opening import opening
from benchmarks.report.provenance import provenance_table, summary
from benchmarks.report.sections import make_headlines, make_sections

_FOLDER = Path(__file__).parent
TITLE = "nnsearch, measured"


def payload(
    files: Mapping[Path, Sequence[Record]], metrics: Mapping[str, Sequence[Mapping[str, Any]]] | None = None
) -> dict[str, Any]:
    """Return everything that the page shows, as JSON values, from the records of files and the metrics of trainings.

    Records of one suite in several files are shown together.
    """
    records = distinct(record for same in files.values() for record in same)
    suites: dict[str, list[Record]] = {}
    for record in records:
        suites.setdefault(str(record["config"].get("suite", "results")), []).append(record)
    sections = make_sections(suites)
    if metrics:
        sections.append(training_section.section(metrics))
    return {
        "title": TITLE,
        "summary": summary(records) if records else "No results.",
        "opening": [asdict(headline) for headline in opening(suites)],
        "headlines": [asdict(headline) for headline in make_headlines(suites)],
        "sections": [asdict(section) for section in sections],
        "provenance": asdict(provenance_table(files)),
        "arms": _arms(sections),
    }


def render(content: Mapping[str, Any]) -> str:
    """Return the page of what :func:`payload` returned."""
    # "<" is the only character by which data could end the script element that holds it.
    data = json.dumps(content, separators=(",", ":"), allow_nan=False, ensure_ascii=False).replace("<", "\\u003c")
    parts = {
        "title": escape(str(content["title"])),
        "style": (_FOLDER / "page.css").read_text(encoding="utf-8"),
        "library": (_FOLDER / "plot.min.js").read_text(encoding="utf-8"),
        "script": (_FOLDER / "page.js").read_text(encoding="utf-8"),
        "payload": data,
    }
    template = (_FOLDER / "page.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda place: parts[place[1]], template)  # in one pass: parts hold braces, too


def _arms(sections: Sequence[PageSection]) -> list[dict[str, Any]]:
    """Return the arms by the section in which each is seen first, for the filter and the colours."""
    seen: set[str] = set()
    found = []
    for section in sections:
        blocks = [*section.blocks, *(block for group in section.groups for block in group.blocks)]
        names = [one.arm for block in blocks for one in (block.series if isinstance(block, Chart) else block.rows)]
        new = [name for name in dict.fromkeys(names) if name is not None and name not in seen]
        seen.update(new)
        if new:
            found.append({"section": section.title, "arms": new})
    return found
