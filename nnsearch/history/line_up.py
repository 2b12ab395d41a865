"""Which of CP-SAT's subsolvers bring the better solutions of a family, and whether it is worth it to run them alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

FULL_SUBSOLVERS = frozenset(
    {
        *("default_lp", "no_lp", "max_lp", "quick_restart", "quick_restart_no_lp", "fixed", "core"),
        *("pseudo_costs", "reduced_costs", "probing", "probing_no_lp", "probing_max_lp"),
        *("lb_tree_search", "objective_lb_search"),
    }
)
"""Those that take a worker of their own. Others, such as large neighbourhoods, share what is left of the workers."""

_LEAST_SHARE = 0.1  # of what the best one brought


@dataclass(frozen=True)
class LineUp:
    """What was measured of a line-up in a family.

    Attributes:
        subsolvers: the full subsolvers that run, and no other.
        workers: of the solves in which it was measured, and for which alone it holds.
        helps: whether solves of the family's past instances were clearly better with it.
        measured: what was measured, in words.
    """

    subsolvers: tuple[str, ...]
    workers: int
    helps: bool
    measured: str


def finder_of(solution_info: str) -> str:
    """Return the subsolver that found a solution, of which CP-SAT says, say, ``graph_var_lns (d=0.71 s=44)``."""
    found = re.match(r"[a-z0-9_]+", solution_info)
    return "" if found is None else found.group()


def best_line_up(solves: Sequence[Mapping[str, int]], workers: int) -> tuple[str, ...]:
    """Return the full subsolvers that brought most improving solutions, the best first; empty where there are none.

    Solves in which several of them brought some are contests. The others count where there is none: often a single full
    subsolver had been at work.

    Args:
        solves: of each, how many improving solutions each subsolver brought.
        workers: of the solves to come; full subsolvers get half of them, so with one there is no choice.
    """
    full = [{name: n for name, n in solve.items() if name in FULL_SUBSOLVERS and n > 0} for solve in solves]
    contests = [solve for solve in full if len(solve) > 1]
    counts: Counter[str] = sum(map(Counter, contests or full), Counter())
    least = _LEAST_SHARE * max(counts.values(), default=0)
    ranked = sorted((name for name in counts if counts[name] >= least), key=lambda name: (-counts[name], name))
    return tuple(ranked[: workers // 2])
