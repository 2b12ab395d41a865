"""Values chosen at random in proportion to their scores."""

from __future__ import annotations

from dataclasses import dataclass

from nnsearch.errors import ConfigError


@dataclass(frozen=True)
class Sampling:
    """Choose values at random, in proportion to ``softmax(scores / temperature)`` over the current domain.

    Temperature 1 is the paper's sampled solve (Silvestri, Lombardi and Milano 2021, section 5).

    Args:
        seed: seed of the choices.
        temperature: above 0; towards 0 the choice is greedy, towards infinity uniform.

    Raises:
        ConfigError: the temperature is not above 0, or the seed is negative.
    """

    seed: int = 0
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ConfigError(f"Sampling.temperature: expected above 0, got {self.temperature}")
        if self.seed < 0:
            raise ConfigError(f"Sampling.seed: expected 0 or more, got {self.seed}")
