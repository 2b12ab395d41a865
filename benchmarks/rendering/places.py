"""What sets of instances are called on the page, and what its filters call them."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.instances.instance_sets import set_of
from benchmarks.records import Record
from benchmarks.rendering.parts import Place

_LONGEST_NAME = 24  # of a set; longer ones list what was picked from a file

QUASIGROUP = "quasigroup"

_NAMES = {"csplib067": "CSPLib 067", "qcp": "QCP"}
"""Of sets that others know by a name."""


def place_of(record: Record) -> Place:
    """Return family and size of the instance of a record."""
    config = record["config"]
    problem = config.get("problem") or (QUASIGROUP if "order" in config else None)
    if "size" in config:
        return Place(problem, str(config["size"]).partition(",")[0])
    return Place(problem, f"order {config['order']}" if "order" in config else None)


def common_place(records: Sequence[Record]) -> Place:
    """Return what the records have in common; the size is None where it differs, so that no filter hides half a set."""
    places = [place_of(record) for record in records]
    problems, sizes = {place.problem for place in places}, {place.size for place in places}
    return Place(problems.pop() if len(problems) == 1 else None, sizes.pop() if len(sizes) == 1 else None)


def title_of(records: Sequence[Record]) -> str:
    """Return the name of the set that records of one set share, in words.

    Example:
        ``quasigroup of order 50, 42 % holes`` for generated ones, ``CSPLib 067 (order 30, 374 holes)`` for a folder.
    """
    config = records[0]["config"]
    given = config.get("set")
    if given is not None:
        name = given if len(given) <= _LONGEST_NAME else given.partition(" ")[0]
        name = _NAMES.get(name, name)
        about = _sizes(records)
        return name if about is None else f"{name} ({about})"
    if "problem" in config:
        return f"{config['problem']}, {config['size']}"
    if "order" in config and "holes" in config:
        return f"{QUASIGROUP}s of order {config['order']}, {100 * config['holes'] / config['order'] ** 2:.0f} % holes"
    return set_of(config)


def _sizes(records: Sequence[Record]) -> str | None:
    configs = [record["config"] for record in records]
    if not all("order" in config for config in configs):
        return None
    orders = sorted({config["order"] for config in configs})
    if len(orders) > 1:
        return f"orders {orders[0]} to {orders[-1]}"
    holes = sorted({config["holes"] for config in configs if "holes" in config})
    about = f"order {orders[0]}"
    if holes:
        about += f", {holes[0]}" + (f" to {holes[-1]}" if len(holes) > 1 else "") + " holes"
    return about
