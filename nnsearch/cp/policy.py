"""When a search asks the network again; until then its last scores order the values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from nnsearch.errors import ConfigError


class InferenceSchedule(Protocol):
    """What a policy has counted in one run of a search.

    The phase itself asks at the first node of a run. At every other node it calls :meth:`is_due` once, and it calls
    :meth:`asked` after every inference.
    """

    def is_due(self, failures: int) -> bool:
        """Tell whether to ask at this node.

        Args:
            failures: of the engine so far.
        """
        ...

    def asked(self, failures: int) -> None:
        """Note that the network was asked at this node.

        Args:
            failures: of the engine so far.
        """
        ...


class Policy(Protocol):
    """When to ask the network again."""

    @property
    def below(self) -> float | None:
        """Ask also where the confidence is below this, see :class:`InferencePolicy`; None is never."""
        ...

    def schedule(self) -> InferenceSchedule:
        """Return a schedule that has counted nothing yet; every run of a search gets its own."""
        ...


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
        """Return the counts of one run."""
        return _FixedSchedule(self)


class _FixedSchedule:
    def __init__(self, policy: InferencePolicy) -> None:
        self._every, self._after_failure = policy.every, policy.after_failure
        self._decisions = 0  # since the last inference
        self._failures = 0  # of the engine, at the last inference

    def is_due(self, failures: int) -> bool:
        self._decisions += 1
        if self._every and self._decisions >= self._every:
            return True
        return self._after_failure and failures != self._failures

    def asked(self, failures: int) -> None:
        self._decisions, self._failures = 0, failures


@dataclass(frozen=True)
class AdaptivePolicy:
    """Spend inference where it pays: often while the search advances, less and less often while it thrashes.

    Near the leaves of a subtree without solutions, failures come every few nodes, propagation does the work, and an
    inference costs more than the nodes that it could save. So an inference after a failure must wait until a number of
    decisions has passed since the last one, and this number grows with each; ``every`` decisions without a failure
    set it back. It depends on counts only, not on the clock: same seed, same search.

    Args:
        every: ask after this many decisions in a row without a failure.
        wait: the first inference after a failure comes at the earliest this many decisions after the one before.
        growth: the wait is multiplied by this with each inference after a failure; 1 keeps it.
        most: the wait never exceeds this many decisions.

    Raises:
        ConfigError: a number is out of range.
    """

    every: int = 10
    wait: int = 1
    growth: float = 2.0
    most: int = 1000

    def __post_init__(self) -> None:
        if not isinstance(self.every, int) or self.every < 1:
            raise ConfigError(f"AdaptivePolicy.every: expected 1 or more decisions, got {self.every}")
        if not self.growth >= 1:
            raise ConfigError(f"AdaptivePolicy.growth: expected 1 or more, got {self.growth}")
        if not 1 <= self.wait <= self.most:
            raise ConfigError(f"AdaptivePolicy.wait: expected 1 to {self.most} (most) decisions, got {self.wait}")

    @property
    def below(self) -> float | None:
        """Confidence plays no part."""
        return None

    def schedule(self) -> InferenceSchedule:
        """Return the counts of one run."""
        return _AdaptiveSchedule(self)


class _AdaptiveSchedule:
    def __init__(self, policy: AdaptivePolicy) -> None:
        self._policy = policy
        self._decisions = 0  # since the last inference
        self._advances = 0  # decisions since the last inference or failure
        self._failures = 0  # of the engine, at the last node
        self._failed = False  # since the last inference
        self._wait = float(policy.wait)

    def is_due(self, failures: int) -> bool:
        self._decisions += 1
        self._advances += 1
        if failures != self._failures:
            self._failures, self._failed, self._advances = failures, True, 0
        if self._advances >= self._policy.every:
            self._wait = self._policy.wait
            return True
        if self._failed and self._decisions >= self._wait:
            self._wait = min(self._wait * self._policy.growth, self._policy.most)
            return True
        return False

    def asked(self, failures: int) -> None:
        self._decisions = self._advances = 0
        self._failures, self._failed = failures, False
