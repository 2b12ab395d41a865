"""``python -m benchmarks``: see the list of suites in the package."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nnsearch.cli.start import start

if TYPE_CHECKING:
    from cyclopts import App

_VERBS = {
    "feasibility": ("feasibility", "feasibility of suggestions, by fill level"),
    "search": ("search", "value orders in search"),
    "race": ("race", "the drop-in solver against CP-SAT's defaults"),
    "advice": ("advice", "whether nnsearch advise is right about models of the zoo"),
    "zoo": ("zoo", "the drop-in solver against CP-SAT on models of many kinds"),
    "stream": ("stream", "what yesterday's solution is worth on the next instance of a stream"),
    "optimise": ("optimise", "learned orders on models with an objective, on new instances of families"),
    "policies": ("policies", "when to ask a network, and how to divide the search"),
    "nodes": ("nodes", "the cost of a search node outside inference"),
    "latency": ("inference.latency", "time to score a large state by networks on the candidate graph"),
    "gather": ("inference.gather", "many searches whose inferences are gathered"),
    "throughput": ("inference.throughput", "states per second by batch size"),
}
_STUDIES = {
    "sbr": ("sbr.command:sbr", "knowledge in the loss, on partial Latin squares"),
    "sbr-search": ("sbr.command:sbr_search", "the same networks in a search"),
    "cl-ste": ("cl_ste.command:cl_ste", "logical constraints through straight-through estimators"),
    "cl-ste-cost": ("cl_ste.command:cl_ste_cost", "cost of the straight-through loss beside exact counting"),
    "preferences": (
        "preferences.command:preferences",
        "what a planner likes, from past plans: counting, pairs, networks",
    ),
    "knowledge-rosters": (
        "knowledge_rosters.command:knowledge_rosters",
        "rules in the loss on rosters, by how many past plans there are",
    ),
    "label-free": ("label_free.command:label_free", "value orders learned from clauses alone, in the CP engine"),
    "label-free-sudoku": (
        "label_free.sudoku.command:label_free_sudoku",
        "sudokus from their rules alone, never a solution",
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a suite and return the exit code: 0, 2 for bad input, 130 after Ctrl-C."""
    return start(_app, arguments)


def _app() -> App:
    from cyclopts import App, Parameter

    from nnsearch.cli.command_line import command_line

    app = command_line("python -m benchmarks", "Measure networks and searches; see COMMAND --help.")
    app.default_parameter = Parameter.combine(
        app.default_parameter, Parameter(consume_multiple=True, allow_repeating=True)
    )
    # By name: what a verb needs is loaded when it is asked for.
    for verb, (place, summary) in _VERBS.items():
        app.command(f"benchmarks.cli.{place}:app", name=verb, help=summary)
    study = App(name="study", help="the experiments of a paper")
    for name, (place, summary) in _STUDIES.items():
        study.command(f"benchmarks.studies.{place}", name=name, help=summary)
    app.command(study)
    app.command("benchmarks.instances.families.command:app", name="family", help="a family of instances as a folder")
    app.command("benchmarks.report.command:app", name="report", help="all results as one page of HTML")
    return app


if __name__ == "__main__":
    sys.exit(main())
