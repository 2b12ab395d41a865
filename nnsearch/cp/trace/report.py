"""What a recorded search tree tells: where the time went, where the dead ends sit, and whether the order was right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from nnsearch.cp.trace.events import RecordedTrace, TraceEvent

ROWS = 12
BAR = 40


def report(trace: RecordedTrace) -> str:
    """Return a text of some thirty lines for the terminal.

    Three tables: the depth of the search over its time; how many dead ends sit at which depth; and how often the 1st,
    2nd, ... value that was tried for a variable was the one of the solution, see :func:`right_tries`.
    """
    events, header = trace.events, trace.header
    count = Counter(event.outcome for event in events)
    last = events[-1] if events else None
    lines = [
        f"search by {header.get('engine', '?')}, network {header.get('model', '?')}, "
        f"{header.get('variables', '?')} variables, {header.get('constraints', '?')} constraints",
        f"{count['open']} decisions, {count['failed']} dead ends, {count['refuted']} refuted, {count['cut']} cut, "
        f"{count['solution']} solutions, {last.run + 1 if last else 0} runs, "
        f"{last.inferences if last else 0} inferences, {last.ms if last else 0.0:.1f} ms",
        "(solve counts a decision and its refutation as two branches; dead ends and what a restart cut as failures)",
    ]
    if count["open"]:
        lines += ["", "depth over time: mean (#) and deepest (.) decision", *_depth_over_time(events)]
    if count["failed"]:
        lines += ["", "dead ends by depth", *_dead_ends(events)]
    if count["solution"]:
        tries = right_tries(events)
        lines += ["", "the value of the last solution was the ... that was tried for its variable", *_tries(tries)]
    return "\n".join(lines) + "\n"


def right_tries(events: Sequence[TraceEvent]) -> Counter[int]:
    """Return how many decisions on the path to the last solution assigned the 1st, 2nd, ... value that they tried.

    A value tried before is one that was refuted for the same variable higher on the path. Variables that propagation
    assigned do not count.
    """
    opened = {event.node: event for event in events if event.outcome == "open"}
    solution = next((event for event in reversed(events) if event.outcome == "solution"), None)
    path: list[tuple[str, bool]] = []  # (variable, left branch), from the solution up
    node, branch = (solution.node, solution.branch) if solution else (0, "left")
    while node in opened:
        decision = opened[node]
        path.append((str(decision.variable), branch == "left"))
        node, branch = decision.parent or 0, decision.branch
    refuted: Counter[str] = Counter()
    tries: Counter[int] = Counter()
    for variable, left in reversed(path):
        if left:
            tries[refuted[variable] + 1] += 1
        else:
            refuted[variable] += 1
    return tries


def _depth_over_time(events: Sequence[TraceEvent]) -> list[str]:
    opened = [event for event in events if event.outcome == "open"]
    end = events[-1].ms or 1.0
    slots: list[list[int]] = [[] for _ in range(ROWS)]
    for event in opened:
        slots[min(int(event.ms / end * ROWS), ROWS - 1)].append(event.depth)
    deepest = max(event.depth for event in opened) or 1
    lines = []
    for number, depths in enumerate(slots):
        mean, most = (sum(depths) / len(depths), max(depths)) if depths else (0.0, 0)
        bar = "#" * round(mean / deepest * BAR)
        lines.append(
            f"{end * number / ROWS:10.1f} ms  {len(depths):8} decisions  "
            f"{bar + '.' * (round(most / deepest * BAR) - len(bar)):{BAR}}  {mean:6.1f} {most:4}"
        )
    return lines


def _dead_ends(events: Sequence[TraceEvent]) -> list[str]:
    depths = [event.depth for event in events if event.outcome == "failed"]
    width = max(depths) // ROWS + 1
    count = Counter(depth // width for depth in depths)
    most = max(count.values())
    lines = []
    for slot in range(max(count) + 1):
        label = str(slot) if width == 1 else f"{slot * width}-{(slot + 1) * width - 1}"
        lines.append(f"{label:>10}  {count[slot]:8}  {'#' * round(count[slot] / most * BAR)}".rstrip())
    return lines


def _tries(tries: Counter[int]) -> list[str]:
    total = tries.total()
    return [f"{number:>9}.  {tries[number]:8}  {tries[number] / total:6.1%}" for number in sorted(tries)]
