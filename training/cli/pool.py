"""``python -m training pool``."""

from __future__ import annotations

import sys

from cyclopts import App

from nnsearch.cli.command_line import DONE
from training.cli.command_line import NpzFile, Ray, check_out
from training.config import at_least
from training.data.pools.latin_squares import chunks_of, sample_pool, save_chunks
from training.tasks.dense_config import ORDER

app = App(name="pool")


@app.default
def pool(
    *, out: NpzFile, order: int = 10, solutions: int = 10_000, seed: int = 1, chunks: int = 1, ray: Ray = None
) -> int:
    """Sample uniform Latin squares (Jacobson-Matthews) into a pool file that fit can use.

    Args:
        out: the file to write
        order: order of the squares
        solutions: how many
        seed: seed of the sampler
        chunks: independent chains to divide it into, another pool for each number; what is finished of several is kept
            in FILE.npz.parts, and the same command goes on from there
        ray: a Ray cluster, to the same file (default: this process): each chunk is a task; auto is the cluster that
            this machine is part of, else a new one on this machine alone
    """
    ORDER.check("--order", order)
    at_least(1).check("--solutions", solutions)
    check_out(out, ".npz")
    divided = chunks_of(order, solutions, seed, chunks)
    if len(divided) == 1 and ray is None:
        made = sample_pool(order, solutions, seed)
        out.parent.mkdir(parents=True, exist_ok=True)
        made.save(out)
    else:
        made = save_chunks(divided, out, ray)
    sys.stdout.write(f"{out}: {len(made.solutions)} Latin squares of order {order}\n")
    return DONE
