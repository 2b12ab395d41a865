"""Does a network fit the variables of a model, and which value has index 0?"""

from __future__ import annotations

from nnsearch.errors import ConfigError, ModelFileError
from nnsearch.scorers.scorer import Scorer


def first_value_of(scorer: Scorer, domains: list[tuple[int, int]], first_value: int | None) -> int:
    """Return the value with index 0 after checking that a network fits.

    Args:
        scorer: the network.
        domains: smallest and largest value of each variable, in the network's order.
        first_value: the value with index 0; None takes the smallest value of all domains.

    Raises:
        ModelFileError: the network was made for another number of variables or values.
    """
    if len(domains) != scorer.num_variables or not domains:
        raise ModelFileError(
            f"{scorer.name}: expected {scorer.num_variables} variables, the problem has {len(domains)}; "
            "use no network, or train one for this size: python -m training fit training/configs/pls.toml --order N"
        )
    low = min(domain[0] for domain in domains)
    high = max(domain[1] for domain in domains)
    first = low if first_value is None else first_value
    if low < first or high > first + scorer.num_values - 1:
        raise ModelFileError(
            f"{scorer.name}: expected values {first}..{first + scorer.num_values - 1} ({scorer.num_values} of them), "
            f"the domains span {low}..{high}"
        )
    return first


def check_no_negation(indices: list[int]) -> None:
    """Raise a ``ConfigError`` when a variable of a CpModel is the negation of a Boolean (its index is negative)."""
    if any(index < 0 for index in indices):
        raise ConfigError("variables: expected variables of the model, got the negation of a Boolean")
