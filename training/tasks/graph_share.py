"""The share of one process in a step on candidate graphs: its states, and what they weigh in the loss of the step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnsearch.model.graph import EXACTLY_ONE
from training.data.graph_states import TrainingState
from training.running.distributed import Processes
from training.tasks.graph_source import GraphData


@dataclass(frozen=True)
class TermShares:
    """What the means over some states of a step weigh in those over all; see ``training/losses/candidate_graph.py``.

    Each term of the loss is a mean over something else, so each has a share of its own: of the exactly-one groups that
    have a right candidate, of the states, of the right candidates.
    """

    groups: float = 1.0
    states: float = 1.0
    right: float = 1.0


WHOLE = TermShares()
"""All states of the step."""


@dataclass(frozen=True, eq=False)
class GraphShare:
    """The states of one process in a step, one or more, and what they weigh."""

    states: Sequence[TrainingState]
    shares: TermShares


def deal(states: Sequence[TrainingState], count: int) -> list[GraphShare]:
    """Split the states of a step into shares of about the same number of candidates.

    Where there are fewer states than shares, the shares left over hold a state that weighs nothing: every process has
    to take part in the step.
    """
    hands: list[list[int]] = [[] for _ in range(count)]
    load = [0] * count
    for index in sorted(range(len(states)), key=lambda index: -states[index].state.num_candidates):
        lightest = load.index(min(load))
        hands[lightest].append(index)
        load[lightest] += states[index].state.num_candidates
    whole = _denominators(states)
    return [
        GraphShare([states[index] for index in sorted(hand)], _shares([states[index] for index in hand], whole))
        if hand
        else GraphShare(states[:1], TermShares(0.0, 0.0, 0.0))
        for hand in hands
    ]


class GraphShares:
    """The shares of this process in all steps.

    Drawing states takes about as long as learning from them on a GPU, so process r draws step r, r + count, and so on,
    whole, and deals it: the states of a step do not depend on the number of processes.
    """

    def __init__(self, data: GraphData, processes: Processes) -> None:
        self._data, self._processes = data, processes
        self._drawn: dict[int, GraphShare] = {}

    def at(self, step: int) -> GraphShare:
        """Return the share in a step; all processes have to ask for the same steps in the same order."""
        processes = self._processes
        if processes.count == 1:
            return GraphShare(self._data.step(step), WHOLE)
        if step not in self._drawn:
            dealt = processes.gather(deal(self._data.step(step + processes.rank), processes.count))
            self._drawn = {step + rank: shares[processes.rank] for rank, shares in enumerate(dealt)}
        return self._drawn[step]


def _denominators(states: Sequence[TrainingState]) -> tuple[int, int, int]:
    """What the terms of the loss divide their sums by."""
    groups = 0
    for one in states:
        has_right = np.zeros(len(one.state.group_features), dtype=bool)
        has_right[one.state.edge_group[one.holds[one.state.edge_candidate]]] = True
        groups += int((has_right & (one.state.group_features[:, EXACTLY_ONE] > 0)).sum())
    return max(1, groups), len(states), max(1, sum(int(one.holds.sum()) for one in states))


def _shares(states: Sequence[TrainingState], whole: tuple[int, int, int]) -> TermShares:
    return TermShares(*(part / all_of_them for part, all_of_them in zip(_denominators(states), whole, strict=True)))
