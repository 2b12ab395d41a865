"""Pictures of digits: scikit-learn's 1,797 scans of 8 x 8 pixels, split before any example is made."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nnsearch.errors import ConfigError


@dataclass(frozen=True)
class Digits:
    """Pictures, float32[P, 1, 8, 8] from 0 to 1, and their classes, which for training only make labels of examples.

    Writers are not known in this data set, so pictures of one writer may be on both sides.
    """

    pictures: Tensor
    classes: Tensor
    test_pictures: Tensor
    test_classes: Tensor

    @classmethod
    def load(cls, test: int, seed: int, num_classes: int = 10) -> Digits:
        """Hold out ``test`` random pictures of the first classes.

        Raises:
            ConfigError: scikit-learn is missing, or nothing would be left for training.
        """
        try:
            from sklearn.datasets import load_digits
        except ImportError:
            raise ConfigError("expected scikit-learn for its pictures of digits; pip install -e '.[study]'") from None
        data = load_digits()
        chosen = np.flatnonzero(data.target < num_classes)
        if not 0 < test < len(chosen):
            raise ConfigError(f"data.test: expected 1..{len(chosen) - 1} of the pictures, got {test}")
        order = chosen[np.random.default_rng([seed, 1]).permutation(len(chosen))]
        pictures = torch.from_numpy(data.images[order]).to(torch.float32).unsqueeze(1) / 16
        classes = torch.from_numpy(data.target[order]).to(torch.int64)
        return cls(pictures[test:], classes[test:], pictures[:test], classes[:test])
