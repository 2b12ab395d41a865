"""``python -m training label``."""

from __future__ import annotations

import sys
from typing import Annotated

from cyclopts import App, Parameter

from nnsearch.cli.command_line import DONE, INTERRUPTED
from nnsearch.cp.policy import InferencePolicy
from nnsearch.cp.restarts import Restarts
from nnsearch.errors import ConfigError, PoolError
from nnsearch.scorers.onnx import OnnxScorer
from training.cli.command_line import NpzFile, Ray, check_out
from training.config import at_least
from training.data.families import planted_instances
from training.data.search_labels import LabelInstance, label_searches, save_labels
from training.running.network_file import NetworkFile
from training.running.parts import Parts

app = App(name="label")


@app.default
def label(
    *,
    model: Annotated[str, Parameter(metavar="NAME|PATH")],
    instances: Annotated[list[str], Parameter(consume_multiple=True, metavar="FAMILY:SIZE:HOLES:COUNT...")],
    out: NpzFile,
    failures: int = 200,
    infer_every: Annotated[int, Parameter(metavar="K")] = 5,
    states: int = 40,
    seed: int = 0,
    ray: Ray = None,
) -> int:
    """Label the states that searches visit.

    Search generated instances with a network on the candidate graph, and keep the states visited with what is known of
    them: the planted or found solution, and the decisions whose subtrees were exhausted. fit --set data.labels=FILE
    trains on them. (Solutions of models of your own, for fit --models, are what solve makes.) Finished searches are
    kept in FILE.npz.parts until the file is complete; the same command goes on after Ctrl-C, a crash or kill -9.

    Args:
        model: the network that leads the searches
        instances: latin-square or sudoku (by box), share of holes, how many; e.g. latin-square:25:0.4:50
            sudoku:5:0.56:20
        out: the file to write
        failures: failures of each search
        infer_every: decisions per inference
        states: states kept of each search
        seed: seed of the instances
        ray: a Ray cluster, to the same file (default: this process): each search is a task; auto is the cluster that
            this machine is part of, else a new one on this machine alone
    """
    at_least(1).check("--failures", failures)
    at_least(1).check("--states", states)
    check_out(out, ".npz")
    scorer = OnnxScorer(model)
    if scorer.metadata.encoder != "candidate_graph":
        raise ConfigError(f"--model: expected a network on the candidate graph, got {model}")
    network = NetworkFile.of(scorer)
    planted = [one for spec in instances for one in planted_instances(spec, seed)]
    policy, restarts = InferencePolicy(infer_every, after_failure=True), Restarts(seed=seed)
    search = LabelInstance(network, failures=failures, policy=policy, restarts=restarts, most=states, seed=seed)
    options = {"instances": instances, "failures": failures, "infer_every": infer_every, "states": states, "seed": seed}
    parts = Parts(out, {"model_sha256": network.digest, **options})
    searches = label_searches(search, planted, parts, ray)
    labels = [state for one in searches for state in one.states]
    stopped = len(planted) - len(searches)
    if stopped and not labels:
        raise KeyboardInterrupt
    if not labels:
        parts.remove()
        raise PoolError("expected searches that take decisions, propagation alone solved all; choose more holes")
    out.parent.mkdir(parents=True, exist_ok=True)
    save_labels(labels, out)
    if not stopped:
        parts.remove()
    refuted = sum(int((~state.possible).sum()) for state in labels)
    sys.stdout.write(
        f"{out}: {len(labels)} states, {refuted} refuted candidates, of {len(searches)} searches "
        f"({sum(one.solved for one in searches)} solved, {sum(one.failures for one in searches)} failures)\n"
    )
    if stopped:
        sys.stderr.write(f"interrupted; the same command goes on with the other {stopped} searches\n")
    return INTERRUPTED if stopped else DONE
