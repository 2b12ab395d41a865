"""A network for a family of models: solve some, learn from their solutions, and solve new ones with what was learned.

The models are set covers; yours are written as these are, with ``model.export_to_file``. The training needs
``pip install -c constraints.txt -e '.[train]'`` and takes a few minutes on two cores. After Ctrl-C the program goes on
where it was.
"""

import random
import subprocess
import sys
from pathlib import Path

from ortools.sat.python import cp_model

import nnsearch.cpsat

MODELS = 8  # to learn from
THINGS = 400
SETS = 800
HOLDERS = (10, 30)  # how many sets hold a thing, at least and at most
SOLVE_SECONDS = 4  # for each of the models to learn from
STEPS = 100  # of the training
NEW = 3  # models of the comparison
SECONDS = 5.0  # for each solve of the comparison
CLONE = Path(__file__).resolve().parents[1]  # where the training is: the installed package can only solve


def random_cover(seed: int) -> tuple[list[list[int]], list[int]]:
    """Return the sets that hold each thing, and what each set costs."""
    rng = random.Random(seed)
    return [rng.sample(range(SETS), rng.randint(*HOLDERS)) for _ in range(THINGS)], rng.choices(range(1, 101), k=SETS)


def cover_model(holders: list[list[int]], costs: list[int]) -> cp_model.CpModel:
    """Return a model of the family: the cheapest sets that hold each thing at least once."""
    model = cp_model.CpModel()
    taken = [model.new_bool_var(f"set {i}") for i in range(len(costs))]
    for sets in holders:
        model.add_bool_or([taken[i] for i in sets])
    model.minimize(cp_model.LinearExpr.weighted_sum(taken, costs))
    return model


def training(*arguments: object) -> None:
    """Run a command of the training."""
    command = ["-m", "training", *map(str, arguments)]
    print("$ python", *command, flush=True)
    try:
        code = subprocess.run([sys.executable, *command], cwd=CLONE, check=False).returncode
    except KeyboardInterrupt:
        sys.exit(130)
    if code:
        sys.exit(code)  # it has said why


def main() -> None:
    """Train a network, and compare it with CP-SAT and with the linear relaxation, for which nothing is trained."""
    covers, run = Path("runs/covers").absolute(), Path("runs/cover-network").absolute()
    covers.mkdir(parents=True, exist_ok=True)
    for seed in range(MODELS):
        cover_model(*random_cover(seed)).export_to_file(str(covers / f"cover-{seed:02}.pb"))
    training("solve", "--models", covers, "--seconds", SOLVE_SECONDS)
    training("fit", "--models", covers, "--out", run, "--set", f"train.steps={STEPS}")

    print(f"costs after {SECONDS:g} s, one run each; less is better")
    print(f"{'new model':>10} {'CP-SAT':>10} {'lp':>10} {'network':>10}")
    for seed in range(1000, 1000 + NEW):
        model = cover_model(*random_cover(seed))
        objectives = []
        for solver in (
            cp_model.CpSolver(),
            nnsearch.cpsat.CpSolver("lp"),
            nnsearch.cpsat.CpSolver(run / "covers.onnx"),
        ):
            solver.parameters.max_time_in_seconds = SECONDS
            solver.solve(model)
            objectives.append(solver.objective_value)
        print(f"{seed:>10}", *(f"{objective:>10g}" for objective in objectives))
    print(f"the network in the last one: {solver.race}")


if __name__ == "__main__":
    main()
