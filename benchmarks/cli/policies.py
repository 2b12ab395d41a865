"""``python -m benchmarks policies``."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App

from benchmarks.answers import check_agreement
from benchmarks.arms import misfits
from benchmarks.cli.measure import RESUME, measure
from benchmarks.cli.options import warn
from benchmarks.networks import load_networks
from benchmarks.records import Job
from benchmarks.suites.policies import Policies, jobs, summary
from nnsearch.inference.providers import Provider
from training.cli.command_line import Ray

_USUAL = Policies()

app = App(name="policies", help_epilogue=RESUME)


@app.default
def policies(
    *,
    suite: Policies = _USUAL,
    model: str = "bp",
    provider: Provider = "auto",
    threads: int = 1,
    ray: Ray = None,
    output: Path = Path("runs/benchmarks/policies.jsonl"),
    fresh: bool = False,
) -> int:
    """What it costs when one network is asked at other nodes, or the search is divided into runs in another way.

    Instances as for search. Arms of the CP engine, one core: under the policy "every 10 + after failure" depth-first,
    geometric and Luby restarts, and limited discrepancy search; under geometric restarts every node, every 10 decisions
    without the failures, and below a confidence of 0.9 and of 0.99. Names say the numbers. dives*: the network decides
    the beginning, CP-SAT (1 worker) the rest; its failures and conflicts are counted together, so compare it by
    seconds; --failure-limit is not for it. Every solution is checked without a solver, a wrong answer ends the run, and
    runs that reach a limit are counted with it.

        python -m benchmarks policies --orders 30 40 --count 10 --failure-limit 10000

    Args:
        suite: what every arm is given
        model: name or .onnx file of the network
        provider: where the network runs
        threads: CPU threads of an inference
        ray: measure on a Ray cluster (default: in this process)
        output: results
        fresh: measure again what the file already holds
    """

    def make_jobs() -> list[Job]:
        cases = suite.cases()
        networks = load_networks([model], provider, threads)
        made = jobs(suite, cases, networks[0])
        warn(misfits(cases, networks))
        return made

    return measure(make_jobs, summary, output, fresh, threads=threads, ray=ray, check=check_agreement)
