"""What suites and studies are asked for: dataclasses whose annotations say what values have to be."""

from __future__ import annotations

from training.config import rules_of


class Options:
    """To be derived from by frozen dataclasses, as :class:`training.config.Section`, for the command line.

    Names are said with spaces, and None is always allowed.

    Raises:
        ConfigError: a value is out of range.
    """

    def __post_init__(self) -> None:
        """Check every value by the rule of its annotation."""
        for key, rule in rules_of(type(self)).items():
            value = getattr(self, key)
            if value is not None:
                rule.check(key.replace("_", " "), value)
