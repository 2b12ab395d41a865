"""When a search asks the network again; until then its last scores order the values."""

from __future__ import annotations

from dataclasses import dataclass

from nnsearch.errors import ConfigError


@dataclass(frozen=True)
class InferencePolicy:
    """Ask at fixed points of the search. They add up: each of the three is a reason to ask.

    A state that was just scored is never scored again, so fewer calls than nodes are normal.

    Args:
        every: ask after this many decisions, and at the root; 1 = at every node, 0 = at the root only.
        after_failure: ask at the first node after a failure.
        below: ask before a decision whose confidence by the scores at hand is below this: the probability of the best
            value in ``softmax(scores)`` over the open values of the variable to be assigned. It is 1 where one value
            was scored, at least 1/D with D open values, and 0 where none of them has a score yet.

    Raises:
        ConfigError: ``every`` is not an integer, or negative; ``below`` is not in (0, 1].
    """

    every: int = 1
    after_failure: bool = False
    below: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.every, int) or self.every < 0:
            raise ConfigError(f"InferencePolicy.every: expected 0 or more decisions, got {self.every}")
        if self.below is not None and not 0 < self.below <= 1:
            raise ConfigError(f"InferencePolicy.below: expected a probability above 0 and up to 1, got {self.below}")

    def schedule(self) -> InferenceSchedule:
        """Return a schedule that has counted nothing yet; every run of a search gets its own."""
        return InferenceSchedule(self)


class InferenceSchedule:
    """What a policy has counted in one run of a search.

    The phase itself asks at the first node of a run. At every other node it calls :meth:`is_due` once, and it calls
    :meth:`asked` after every inference, both with the failures of the engine so far.
    """

    def __init__(self, policy: InferencePolicy) -> None:
        self._every, self._after_failure = policy.every, policy.after_failure
        self._decisions = 0  # since the last inference
        self._failures = 0  # of the engine, at the last inference

    def is_due(self, failures: int) -> bool:
        """Tell whether to ask at this node."""
        self._decisions += 1
        if self._every and self._decisions >= self._every:
            return True
        return self._after_failure and failures != self._failures

    def asked(self, failures: int) -> None:
        """Note that the network was asked at this node."""
        self._decisions, self._failures = 0, failures
