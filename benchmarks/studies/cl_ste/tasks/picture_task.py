"""Tasks whose examples are a few pictures and a fact about their classes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from benchmarks.studies.cl_ste.tasks.config import TaskConfig
from benchmarks.studies.cl_ste.tasks.digits import Digits
from benchmarks.studies.cl_ste.tasks.networks import PictureNetwork
from training.losses.cnf import Cnf
from training.losses.cnf_ste import Binariser, binarise


@dataclass(frozen=True)
class PictureAtoms:
    """Where the atoms about pictures are: first "picture i has class k", then one block for each tuple of pictures.

    An atom of a tuple stands for the conjunction "picture i has class k and picture j has class l and ...". Atoms of
    labels come last.

    Attributes:
        images: I, pictures of an example.
        num_classes: K.
        tuples: the pictures of each block; K ** length atoms, classes in lexicographic order.
    """

    images: int
    num_classes: int
    tuples: tuple[tuple[int, ...], ...] = ()

    @property
    def size(self) -> int:
        """How many atoms are about pictures; the first label has this index."""
        return self.images * self.num_classes + sum(self.num_classes ** len(one) for one in self.tuples)

    def literal(self, image: int, chosen: int) -> int:
        """Return the literal "this picture has this class"."""
        return image * self.num_classes + chosen + 1

    def literals(self, block: int) -> dict[tuple[int, ...], int]:
        """Return the literals of a block by classes."""
        first = self.images * self.num_classes + sum(self.num_classes ** len(one) for one in self.tuples[:block]) + 1
        choices = itertools.product(range(self.num_classes), repeat=len(self.tuples[block]))
        return {classes: first + place for place, classes in enumerate(choices)}

    def one_class(self) -> list[list[int]]:
        """Return the clauses "every picture has exactly one class", which a softmax would say by itself."""
        clauses = []
        for image in range(self.images):
            literals = [self.literal(image, chosen) for chosen in range(self.num_classes)]
            clauses += [literals, *([-one, -other] for one, other in itertools.combinations(literals, 2))]
        return clauses

    def values(self, outputs: Tensor, binariser: Binariser) -> Tensor:
        """Return float[B, size], the binarised atoms of logits, float[B, I, K].

        Probabilities are multiplied before they are binarised, logits after, as the authors do.
        """
        single = torch.softmax(outputs, dim=2) if binariser == "probability" else binarise(outputs, binariser)
        blocks = [single.flatten(1)]
        for images in self.tuples:
            joint = single[:, images[0]]
            for image in images[1:]:
                joint = (joint.unsqueeze(2) * single[:, image].unsqueeze(1)).flatten(1)
            blocks.append(joint)
        values = torch.cat(blocks, dim=1)
        return binarise(values, binariser) if binariser == "probability" else values


@dataclass(frozen=True)
class PictureTask:
    """A :class:`benchmarks.studies.cl_ste.tasks.tasks.LogicTask` on pictures, int64[S, I] of each example.

    Labels, int64[S, L], are the label atoms that are true; all others are false.
    """

    config: TaskConfig
    digits: Digits
    about: PictureAtoms
    clauses: Cnf
    examples: Tensor
    labels: Tensor

    @property
    def num_examples(self) -> int:
        """S."""
        return len(self.examples)

    def network(self) -> nn.Module:
        """Return a new classifier."""
        return PictureNetwork(self.config.train.hidden, self.about.num_classes)

    def inputs(self, index: Tensor) -> Tensor:
        """Return float32[B, I, 1, 8, 8]."""
        return self.digits.pictures[self.examples[index]]

    def facts(self, index: Tensor) -> Tensor:
        """Return float32[B, n]: of the labels, which are true and false."""
        facts = torch.zeros(len(index), self.clauses.num_atoms)
        facts[:, self.about.size :] = -1
        return facts.scatter(1, self.labels[index], 1.0)

    def atoms(self, outputs: Tensor) -> Tensor:
        """Return float32[B, n] from logits, float32[B, I, K]."""
        values = self.about.values(outputs, cast(Binariser, self.config.loss.binariser))
        return nn.functional.pad(values, (0, self.clauses.num_atoms - self.about.size))

    def label_loss(self, outputs: Tensor, index: Tensor) -> Tensor:
        """Return 0: classes of pictures are never shown."""
        return outputs.new_zeros(())

    def measure(self, network: nn.Module) -> dict[str, float]:
        """Return ``accuracy``, the share of held-out pictures whose class has the largest logit."""
        chosen = network(self.digits.test_pictures.unsqueeze(1)).squeeze(1).argmax(1)
        return {"accuracy": float((chosen == self.digits.test_classes).float().mean())}


def build(
    config: TaskConfig,
    digits: Digits,
    about: PictureAtoms,
    clauses: list[list[int]],
    num_labels: int,
    examples: npt.NDArray[np.int64],
    labels: Sequence[Sequence[int]],
) -> PictureTask:
    """Put a task together; with a binariser of logits the clauses "one class per picture" are added.

    The knowledge has labels as literals ``about.size + label + 1``; those of each example that are true count from 0.
    """
    extra = [] if config.loss.binariser == "probability" else about.one_class()
    return PictureTask(
        config,
        digits,
        about,
        Cnf.from_clauses(about.size + num_labels, clauses + extra),
        torch.from_numpy(examples),
        torch.tensor(labels, dtype=torch.int64) + about.size,
    )
