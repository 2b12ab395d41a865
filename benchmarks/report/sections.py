"""Title and lead of each suite and study on the page, and the headlines below its opening."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks.records import Record
from benchmarks.rendering.parts import Block, Group, Headline, PageSection, Side
from benchmarks.report import feasibility_section, plain_section, race_section, search_section
from benchmarks.studies.cl_ste import cost, study
from benchmarks.studies.knowledge_rosters import findings as knowledge_rosters
from benchmarks.studies.label_free import findings as label_free
from benchmarks.studies.label_free.sudoku import findings as label_free_sudoku
from benchmarks.studies.label_free.training.config import KNOWLEDGE, STARTS
from benchmarks.studies.preferences import findings as preferences
from benchmarks.studies.sbr import findings as sbr
from benchmarks.studies.sbr import search_findings as sbr_search
from benchmarks.studies.sbr.study import MAIN
from benchmarks.suites import gather, latency, nodes, optimise, stream, throughput

MOST_HEADLINES = 3

_Found = tuple[Sequence[Block], Sequence[Group]]
_Find = Callable[[Sequence[Record]], _Found]


def _blocks(summary: Callable[[Sequence[Record]], Group]) -> _Find:
    """The page has what the terminal has."""
    return lambda records: (summary(records).blocks, ())


def _groups(groups: Callable[[Sequence[Record]], Sequence[Group]]) -> _Find:
    return lambda records: ((), groups(records))


BY_SUITE: dict[str, tuple[str, str, _Find]] = {
    "race": (
        "The drop-in solver against CP-SAT's defaults",
        "Wall seconds of cp_model.CpSolver (cp-sat) and nnsearch.cpsat.CpSolver (race/NETWORK) on the same instances, "
        "with the same seeds and the same number of workers, one after the other, in turns.",
        race_section.find,
    ),
    "search": (
        "The order of values alone",
        "Depth-first search in the CP engine under equal limits of failures and seconds for every arm: with the "
        "smallest value first, random values, the engine's own heuristics, and networks. cp-sat is CP-SAT on the same "
        "instances: its conflicts learn clauses and count otherwise than failures.",
        search_section.find,
    ),
    "stream": (
        "Solving again: what yesterday's solution is worth",
        "Streams of instances of one family, each with the data of the one before, changed. cold: CP-SAT; hint: with "
        "the values of the arm's last solution as a hint; repaired-hint: with repair_hint; cold-again: with another "
        "seed, which is noise. Same workers, same seconds, in turns.",
        _blocks(stream.summary),
    ),
    "optimise": (
        "Models with an objective: new instances of families",
        "Families of instances that a network may have learned from, and new ones that it never saw. cp-sat: CP-SAT; "
        "cp-sat-again: with another seed, which is noise; cp-sat-level-2: with linearization_level = 2; "
        "cp-sat-local-search: with use_ls_only; highs: HiGHS, on linear families; drop-in NAME: nnsearch.cpsat.CpSolver"
        " with that scorer. Same workers and seconds.",
        _blocks(optimise.summary),
    ),
    "policies": (
        "When to ask the network, and how to divide the search",
        "One network, asked at other nodes, or with the search divided into runs in another way. dives*: the network "
        "decides the beginning, CP-SAT the rest; its failures and conflicts are counted together.",
        search_section.find,
    ),
    "feasibility": (
        "Is the suggested value part of some solution?",
        "Partial Latin squares from fresh squares, evenly over the number of filled cells, every pair with an exact "
        "label. Each arm suggests a pair: a free choice among all, or a value for a fixed cell. rnd is a random value.",
        feasibility_section.find,
    ),
    "study-sbr": (
        "Study: knowledge in the loss",
        "Semantic-based regularisation, after Silvestri, Lombardi and Milano (2021): networks trained with no "
        "knowledge, with the rows, or with all constraints in the loss, asked about squares that no pool has.",
        _groups(sbr.groups),
    ),
    "study-sbr-search": (
        "Study: knowledge in the loss, inside a search",
        "The networks of the study above as value orders of a depth-first search with none, some or all propagation. "
        "Free choice: the network picks the cell, too; fixed cell: the cell with the fewest values is next.",
        _groups(sbr_search.groups),
    ),
    "cl-ste": (
        "Study: logical rules through a straight-through estimator",
        "Tasks of the CL-STE paper, with several seeds, on held-out data, beside the published figures.",
        _blocks(study.summary),
    ),
    "cl-ste-cost": (
        "What the losses of the study cost",
        "The straight-through estimator reads clauses as they are; the exact semantic loss needs them compiled into a "
        "decision diagram, which grows with what they say together.",
        _blocks(cost.summary),
    ),
    "study-label-free": (
        "Study: values learned without a single solution",
        "The same network on the candidate graph, the same partial squares and steps; its loss knows "
        f"{', '.join(KNOWLEDGE[:-1])} or {KNOWLEDGE[-1]}. It starts as message passing that knows nothing "
        f"({STARTS[0]}) or as belief propagation ({STARTS[1]}). Then it orders the values of the CP engine on larger "
        "squares than any it was trained on.",
        _groups(label_free.groups),
    ),
    "study-label-free-sudoku": (
        "Study: sudokus from their rules alone",
        "A network on the candidate graph learns from puzzles and the clauses of their rules, through the "
        "straight-through estimator, and never sees a solution. Shares of held-out boards completed at once and by "
        "iterated inference, beside singles alone and belief propagation; then of larger boards, without retraining.",
        _blocks(label_free_sudoku.summary),
    ),
    "study-knowledge-rosters": (
        "Study: rules in the loss, on rosters",
        "A network on the model graph learns from 10 to 300 past plans alone (none), with what the bounds of the rows "
        "rule out (sbr), or with the rows through the straight-through estimator (ste). How many of its suggestions on "
        "new rosters a plan extends, and what dives make of them; beside it counting the same plans, and the linear "
        "relaxation.",
        _blocks(knowledge_rosters.summary),
    ),
    "study-preferences": (
        "Study: what a planner likes, from past plans alone",
        "Planners whose preferences nobody is told make histories; what the plans of each arm are worth to them in new "
        "instances, between a plan at random and the best one. Counting is the baseline.",
        _blocks(preferences.summary),
    ),
    "latency": (
        "How long one answer of a network takes",
        "Milliseconds to score one state, the root of a large quasigroup with holes after propagation, in one call.",
        _blocks(latency.summary),
    ),
    "throughput": (
        "States per second by batch size",
        "One call of a network for many states at once, copies to and from a GPU included, against its session alone; "
        "the difference from the CPU is a share of the range of a state's scores.",
        _blocks(throughput.summary),
    ),
    "gather": (
        "Many searches whose inferences are gathered",
        "The same squares solved one after the other, and at the same time with one inference for many searches.",
        _blocks(gather.summary),
    ),
    "nodes": (
        "What a search node costs outside inference",
        "The engine's own phase (native) against the phase that asks a network, with one that answers at no cost.",
        _blocks(nodes.summary),
    ),
}
"""In the order of the page; suites that are not here follow as plain tables."""


def make_sections(suites: dict[str, list[Record]]) -> list[PageSection]:
    """Return a section for each suite."""
    known = [
        PageSection(name, title, lead, *find(suites[name]))
        for name, (title, lead, find) in BY_SUITE.items()
        if name in suites
    ]
    return known + [plain_section.section(name, records) for name, records in suites.items() if name not in BY_SUITE]


def make_headlines(suites: dict[str, list[Record]]) -> list[Headline]:
    """Return the figures below the opening, what the network gains first; none of suites that are not there."""
    found = [
        *search_section.headlines(suites.get("search", [])),
        *_sbr_headlines(suites.get("study-sbr", [])),
        *feasibility_section.headlines(suites.get("feasibility", [])),
        *race_section.headlines(suites.get("race", [])),
    ][:MOST_HEADLINES]
    return sorted(found, key=lambda headline: headline.tone != "good")


def _sbr_headlines(records: Sequence[Record]) -> list[Headline]:
    """Return what all constraints in the loss are worth to the same network, solutions and steps."""
    # The numbers of the budget tiny mean nothing.
    chosen = [record for record in records if record["config"]["budget"] != "tiny"]
    know, agnostic = sbr.means(chosen, MAIN, "full"), sbr.means(chosen, MAIN, "agn")
    if know is None or agnostic is None:
        return []
    few = sbr.means(chosen, "100-solutions", "full")
    less = f" Of 100 solutions instead of 10,000 it learns {few.mean:.0%}." if few is not None else ""
    return [
        Headline(
            "Rules in the loss: squares of order 10",
            [
                Side(f"{know.mean:.0%}", "right suggestions of a network trained with the rules (full)", know.mean),
                Side(f"{agnostic.mean:.0%}", "of the same network trained without (agn)", agnostic.mean),
            ],
            f"The same network, solutions and steps. Asked for any pair of an empty cell and a value, without "
            f"propagation, it names one that some solution has in {know.mean:.0%} of squares that nobody trained on "
            f"({know.low:.1%} to {know.high:.1%}), without the rules in {agnostic.mean:.0%}.{less}",
            "study-sbr",
            "longer is better",
            "good" if know.low > agnostic.high else "bad",
        )
    ]
