"""Losses of all assignments at a time: cross-entropy, and semantic-based regularisation.

The latter pulls the outputs towards what a propagator says is still possible.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional

SBRForm = Literal["mse", "bce", "negative"]


def candidate_cross_entropy(scores: Tensor, target: Tensor) -> Tensor:
    r"""Mean over the batch of :math:`-\sum_j t_j \log \mathrm{softmax}(s)_j` (Silvestri et al. 2021, eq. 4).

    Of logits float[B, N], and targets float[B, N] that are not negative and sum to 1 in each row. With a one-hot target
    this is the paper's loss. A target uniform over all remaining pairs of the example's own solution has the same
    expectation over deconstruction orders and far less variance: which of the solution's pairs was removed last is a
    coin toss that the network would otherwise have to average out. It is at least 0, and 0 in the limit of all mass on
    a one-hot target.
    """
    return -(target * torch.log_softmax(scores, dim=1)).sum(1).mean()


def semantic_based_regularisation(scores: Tensor, possible: Tensor, form: SBRForm = "mse") -> Tensor:
    r"""Sum over candidates, then mean over the batch (Silvestri et al. 2021, section 3; Diligenti et al. 2017).

    With :math:`C_j = 1` iff the propagator leaves candidate j possible and :math:`\sigma_j = \mathrm{sigmoid}(s_j)`:

    - ``mse``: :math:`\sum_j (C_j - \sigma_j)^2`, the paper's form
    - ``bce``: :math:`-\sum_j C_j \log \sigma_j + (1 - C_j) \log(1 - \sigma_j)`
    - ``negative``: :math:`\sum_j (1 - C_j) \sigma_j^2`, only pairs that were ruled out are penalised

    The sum matters: with a mean over the N candidates the term is lost in the noise of the cross-entropy.

    Args:
        scores: float[B, N], logits.
        possible: [B, N], non-zero = the candidate is a possible next decision (see ``training.losses.propagation``).
        form: one of the above.

    Returns:
        A scalar, at least 0; it is 0 in the limit of logits that are +inf on possible candidates and -inf elsewhere
        (``negative``: -inf on the others is enough).

    Raises:
        ValueError: the form is unknown.
    """
    target = possible.to(scores.dtype)
    if form == "mse":
        terms = (target - scores.sigmoid()) ** 2
    elif form == "bce":
        terms = functional.binary_cross_entropy_with_logits(scores, target, reduction="none")
    elif form == "negative":
        terms = (1 - target) * scores.sigmoid() ** 2
    else:
        raise ValueError(f"expected one of {', '.join(get_args(SBRForm))}, got {form!r}")
    return terms.sum(1).mean()
