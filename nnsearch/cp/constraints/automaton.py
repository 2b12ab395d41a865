"""Automata: sequences of values that a finite automaton accepts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nnsearch.cp.constraints.enforcement import Enforcement
from nnsearch.cp.constraints.engine_model import EngineModel
from nnsearch.cp.constraints.table import is_wide, position_in

Transition = tuple[int, int, int]
"""(state, label, next state)."""


def add_automaton(model: EngineModel, automaton: Any, enforcement: Enforcement) -> None:
    """Add "the automaton accepts the expressions' values, in their order"."""
    expressions = model.sequence(automaton)
    arcs = zip(automaton.transition_tail, automaton.transition_label, automaton.transition_head, strict=True)
    transitions = list(dict.fromkeys(arcs))
    final = list(automaton.final_states)
    word = _accepted_word(automaton.starting_state, transitions, final, len(expressions))
    if word is None:
        enforcement.require()
        return
    if not expressions:
        return
    sequence = enforcement.shadows(expressions, word)
    if any(map(is_wide, sequence)):
        position = {label: k for k, label in enumerate(sorted({label for _, label, _ in transitions}))}
        sequence = [position_in(model, list(position), expression) for expression in sequence]
        transitions = [(tail, position[label], head) for tail, label, head in transitions]
    # The engine numbers the states itself, up to the largest one that occurs.
    states = sorted({state for tail, _, head in transitions for state in (tail, head)})
    number = {state: position for position, state in enumerate(states)}
    model.solver.Add(
        model.solver.TransitionConstraint(
            sequence,
            [(number[tail], label, number[head]) for tail, label, head in transitions],
            number[automaton.starting_state],
            [number[state] for state in final if state in number],
        )
    )


def _accepted_word(
    start: int, transitions: Sequence[Transition], final: Sequence[int], length: int
) -> list[int] | None:
    """Return labels that lead from the start to a final state in as many steps, or None."""
    outgoing: dict[int, list[Transition]] = {}
    for transition in transitions:
        outgoing.setdefault(transition[0], []).append(transition)
    layers: list[dict[int, Transition | None]] = [{start: None}]
    for _ in range(length):
        layers.append({arc[2]: arc for state in layers[-1] for arc in outgoing.get(state, [])})
    state = next((state for state in final if state in layers[-1]), None)
    if state is None:
        return None
    word: list[int] = []
    for layer in reversed(layers):
        arc = layer[state]
        if arc is not None:
            state, label, _ = arc
            word.append(label)
    return word[::-1]
