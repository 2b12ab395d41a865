"""Which module makes the part of the page of which suite."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks.records import Record
from benchmarks.report import (
    cost_sections,
    feasibility_section,
    plain_section,
    race_section,
    search_section,
    study_search_sections,
    study_sections,
)
from benchmarks.report.parts import Headline, Section

MakeSection = Callable[[Sequence[Record]], Section]

BY_SUITE: dict[str, MakeSection] = {
    "race": race_section.section,
    "search": search_section.section,
    "policies": search_section.policies_section,
    "feasibility": feasibility_section.section,
    "study-sbr": study_sections.sbr_section,
    "study-sbr-search": study_search_sections.sbr_search_section,
    "cl-ste": study_sections.cl_ste_section,
    "cl-ste-cost": study_sections.clause_cost_section,
    "study-label-free": study_search_sections.label_free_section,
    "latency": cost_sections.latency_section,
    "throughput": cost_sections.throughput_section,
    "gather": cost_sections.gather_section,
    "nodes": cost_sections.nodes_section,
}
"""In the order of the page; suites that are not here follow as plain tables."""

MOST_HEADLINES = 6

def make_sections(suites: dict[str, list[Record]]) -> list[Section]:
    """Return a section for each suite."""
    known = [make(suites[name]) for name, make in BY_SUITE.items() if name in suites]
    return known + [_plain(name, records) for name, records in suites.items() if name not in BY_SUITE]


def make_headlines(suites: dict[str, list[Record]]) -> list[Headline]:
    """Return the figures on top of the page, what the network gains first; none of suites that are not there."""
    found = [
        *race_section.headlines(suites.get("race", [])),
        *search_section.headlines(suites.get("search", [])),
        *study_sections.sbr_headlines(suites.get("study-sbr", [])),
        *feasibility_section.headlines(suites.get("feasibility", [])),
    ][:MOST_HEADLINES]
    return sorted(found, key=lambda headline: headline.tone != "good")


def _plain(name: str, records: Sequence[Record]) -> Section:
    return plain_section.section(name, name, "A suite of its own, as it was recorded.", records)
