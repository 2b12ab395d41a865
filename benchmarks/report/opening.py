"""The cards that open the page: optimisation, history and feasibility, with gains and losses alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.anytime import log_ratios
from benchmarks.records import Record
from benchmarks.rendering.parts import Headline, Side, Tone
from benchmarks.report import race_section
from benchmarks.statistics import by_arm, compare_seconds, counted, short
from benchmarks.suites import optimise, race, stream

MARGIN = 1.15
"""A kind of model is better or worse where its ratio is beyond this, about what ``nnsearch advise`` calls worth it."""

LP, BP = "drop-in lp", "race/bp"

_INTEGRAL = "primal integral (the mean gap over the time)"

_Ratios = Mapping[str, float]


@dataclass(frozen=True)
class _Question:
    title: str
    suite: str
    arm: str
    line: str
    cost: str
    ratios: Callable[[Sequence[Record]], _Ratios]
    """What the arm costs over what CP-SAT costs, as a geometric mean, by kind of model; none where nobody ran it."""


def _of_integrals(arm: str, baseline: str) -> Callable[[Sequence[Record]], _Ratios]:
    def ratios(records: Sequence[Record]) -> _Ratios:
        return {kind: math.exp(np.mean(logs)) for kind, logs in log_ratios(records, arm, baseline).items()}

    return ratios


def _of_seconds(arm: str) -> Callable[[Sequence[Record]], _Ratios]:
    def ratios(records: Sequence[Record]) -> _Ratios:
        sets = {title: by_arm(same) for title, same in race_section.by_hardness(records).items()}
        compared = {
            title: compare_seconds(arms.get(arm, []), arms.get(race.BASELINE, [])) for title, arms in sets.items()
        }
        return {title: pairs.mean for title, pairs in compared.items() if pairs is not None}

    return ratios


QUESTIONS = (
    _Question(
        "Optimisation",
        "optimise",
        LP,
        'CpSolver("lp")',
        _INTEGRAL,
        _of_integrals(LP, optimise.BASELINE),
    ),
    _Question(
        "History",
        stream.SUITE,
        stream.HISTORY,
        "CpSolver(history=...)",
        _INTEGRAL,
        _of_integrals(stream.HISTORY, stream.BASELINE),
    ),
    _Question("Feasibility", "race", BP, 'CpSolver("bp")', "seconds", _of_seconds(BP)),
)
"""In the order of the page."""


def opening(suites: Mapping[str, Sequence[Record]]) -> list[Headline]:
    """Return a card for each question; one that no record answers says so, unless none of them is answered."""
    found = [(question, question.ratios(suites.get(question.suite, []))) for question in QUESTIONS]
    return [_card(*answer) for answer in found] if any(ratios for _, ratios in found) else []


def _card(question: _Question, ratios: _Ratios) -> Headline:
    if not ratios:
        words = f"No record on this page measures it; python -m benchmarks {question.suite} does."
        return Headline(question.title, [], words, None, "", "none")
    ranked = sorted(ratios, key=lambda kind: ratios[kind])
    best, worst = ranked[0], ranked[-1]
    top = max(1.0, ratios[worst])
    ends = {best: ", the best", worst: ", the worst"} if best != worst else {best: ""}
    sides = [
        Side(short(ratios[kind]), f"of CP-SAT's {question.cost}: {kind}{which}", ratios[kind] / top)
        for kind, which in ends.items()
    ]
    parts = {
        "better": [kind for kind in ranked if ratios[kind] < 1 / MARGIN],
        f"within {MARGIN - 1:.0%} of it": [kind for kind in ranked if 1 / MARGIN <= ratios[kind] <= MARGIN],
        "worse": [kind for kind in ranked if ratios[kind] > MARGIN],
    }
    told = [
        f"{how} on {len(kinds)} ({', '.join(f'{kind} {short(ratios[kind])}' for kind in kinds)})"
        for how, kinds in parts.items()
        if kinds
    ]
    words = f"{question.line} against CP-SAT on {counted(len(ranked), 'kind')} of models: {'; '.join(told)}."
    gains, losses = ratios[best] < 1 / MARGIN, ratios[worst] > MARGIN
    tone: Tone = "mixed" if gains and losses else "good" if gains else "bad" if losses else "none"
    return Headline(question.title, sides, words, question.suite, "shorter is better", tone)
