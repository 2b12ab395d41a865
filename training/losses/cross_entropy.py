"""Cross-entropy of the softmax over all candidates."""

from __future__ import annotations

import torch
from torch import Tensor


def candidate_cross_entropy(scores: Tensor, target: Tensor) -> Tensor:
    r"""Mean over the batch of :math:`-\sum_j t_j \log \mathrm{softmax}(s)_j` (Silvestri et al. 2021, eq. 4).

    With a one-hot target this is the paper's loss. A target uniform over all remaining pairs of the example's own
    solution has the same expectation over deconstruction orders and far less variance: which of the solution's pairs
    was removed last is a coin toss that the network would otherwise have to average out.

    Args:
        scores: float[B, N], logits.
        target: float[B, N], non-negative, each row sums to 1.

    Returns:
        A scalar, at least 0; it is 0 in the limit of all mass on a one-hot target.
    """
    return -(target * torch.log_softmax(scores, dim=1)).sum(1).mean()
