"""``nnsearch history list`` and ``show``."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Annotated

from cyclopts import Parameter

from nnsearch.cli.search_flags import SWITCH
from nnsearch.history.store import Store
from nnsearch.result import all_digits

STORE = Parameter(metavar="STORE")
FAMILY = Parameter(metavar="NAME")


def list_store(store: Annotated[str, STORE], /, *, family: Annotated[str | None, FAMILY] = None) -> int:
    """List the families of a history, or the solves of one.

    Args:
        store: a SQLite file, or postgresql://USER@HOST/DATABASE
        family: list the solves of this one, the latest first
    """
    with Store(store, make=False) as opened:
        if family is None:
            sys.stdout.write(f"{'solves':>8} {'solved':>8}  {'from':16}  {'to':16}  family\n")
            for group in opened.families():
                first, last = minute(group.first), minute(group.last)
                sys.stdout.write(f"{group.solves:8} {group.solved:8}  {first}  {last}  {printable(group.family)}\n")
            return 0
        sys.stdout.write(
            f"{'number':>8}  {'ended':16}  {'status':10} {'objective':>14} {'bound':>14} {'seconds':>8} "
            f"{'variables':>9} {'solutions':>9}  found by\n"
        )
        for solve in opened.solves(family):
            sys.stdout.write(
                f"{solve.number:8}  {minute(solve.created)}  {solve.status:10} {_number(solve.objective):>14} "
                f"{_number(solve.bound):>14} {solve.seconds:8.1f} {solve.variables:9} {solve.solutions:9}  "
                f"{printable(solve.found_by)}\n"
            )
    return 0


def show_solve(
    store: Annotated[str, STORE],
    number: Annotated[int, Parameter(metavar="NUMBER")],
    /,
    *,
    values: Annotated[bool, SWITCH] = False,
) -> int:
    """Show one solve of a history.

    Args:
        store: a SQLite file, or postgresql://USER@HOST/DATABASE
        number: of the solve, as listed
        values: also those of all variables in the best solution
    """
    with Store(store, make=False) as opened:
        solve = opened.load(number)
    lines = {
        "family": printable(solve.family),
        "ended": minute(solve.created),
        "status": str(solve.status),
        "objective": _number(solve.objective),
        "bound": _number(solve.bound),
        "seconds": f"{solve.seconds:.3f}",
        "found by": printable(solve.found_by),
        "parameters": printable(solve.parameters),
        "variables": str(len(solve.names)),
        "improvements": ", ".join(f"{printable(name)} {count}" for name, count in solve.improvements.items()) or "-",
        "solutions": ", ".join(_number(one.objective) for one in solve.solutions) or "none",
    }
    sys.stdout.writelines(f"{key}: {line}\n" for key, line in lines.items())
    if values and solve.solutions:
        named = zip(solve.names, solve.solutions[0].values.tolist(), strict=True)
        sys.stdout.writelines(f"{printable(name) or f'v{i}'} = {value}\n" for i, (name, value) in enumerate(named))
    return 0


def minute(created: float) -> str:
    """Return when a solve ended, in 16 characters."""
    try:
        return f"{datetime.fromtimestamp(created):%Y-%m-%d %H:%M}"
    except (OverflowError, OSError, ValueError):
        return f"{'no date':16}"


def _number(number: float | None) -> str:
    return "-" if number is None else all_digits(number)


def printable(text: str) -> str:
    """Return a text on one line, whatever a store from elsewhere holds."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in " ".join(text.split()))
