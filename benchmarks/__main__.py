"""``python -m benchmarks``: see the list of suites in the package."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from cyclopts import App, Parameter

from training.cli.command_line import BAD_INPUT, command_line, run

_VERBS = {
    "feasibility": "feasibility of suggestions, by fill level",
    "search": "value orders in search",
    "race": "the drop-in solver against CP-SAT's defaults",
    "zoo": "the drop-in solver against CP-SAT on models of many kinds",
    "policies": "when to ask a network, and how to divide the search",
    "nodes": "the cost of a search node outside inference",
    "latency": "time to score a large state by networks on the candidate graph",
    "gather": "many searches whose inferences are gathered",
    "throughput": "states per second by batch size",
}
_STUDIES = {
    "sbr": ("sbr.command:sbr", "knowledge in the loss, on partial Latin squares"),
    "sbr-search": ("sbr.command:sbr_search", "the same networks in a search"),
    "cl-ste": ("cl_ste.command:cl_ste", "logical constraints through straight-through estimators"),
    "cl-ste-cost": ("cl_ste.command:cl_ste_cost", "cost of the straight-through loss beside exact counting"),
    "label-free": ("label_free.command:label_free", "value orders learned from clauses alone, in the CP engine"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a suite and return the exit code: 0, 2 for bad input, 130 after Ctrl-C."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    app = command_line("python -m benchmarks", "Measure networks and searches; see COMMAND --help.")
    app.default_parameter = Parameter.combine(
        app.default_parameter, Parameter(consume_multiple=True, allow_repeating=True)
    )
    # By name: what a verb needs is loaded when it is asked for.
    for verb, summary in _VERBS.items():
        app.command(f"benchmarks.cli.{verb}:app", name=verb, help=summary)
    study = App(name="study", help="the experiments of a paper")
    for name, (place, summary) in _STUDIES.items():
        study.command(f"benchmarks.studies.{place}", name=name, help=summary)
    app.command(study)
    app.command("benchmarks.report.command:app", name="report", help="all results as one page of HTML")
    if words == ["study"]:
        sys.stderr.write(f"python -m benchmarks study: expected one of {', '.join(_STUDIES)} (see --help)\n")
        return BAD_INPUT
    if words[:1] == ["study"] and words[1] in study:
        study[words[1]].help = None  # what the list says; its own page is longer
    return run(app, words)


if __name__ == "__main__":
    sys.exit(main())
