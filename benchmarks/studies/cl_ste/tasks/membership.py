"""Membership: pictures are known by whether a digit is among them (Tsamoura, Hospedales and Michael 2021)."""

from __future__ import annotations

import numpy as np

from benchmarks.studies.cl_ste.tasks.config import TaskConfig
from benchmarks.studies.cl_ste.tasks.digits import Digits
from benchmarks.studies.cl_ste.tasks.picture_task import PictureAtoms, PictureTask, build


def member(config: TaskConfig, seed: int) -> PictureTask:
    """Return the task "is digit d among these pictures?", with half of the answers yes."""
    pictures = Digits.load(config.data.test, seed)
    images = config.data.images
    about = PictureAtoms(images, 10)
    rng = np.random.default_rng([seed, 2])
    examples = rng.integers(len(pictures.classes), size=(config.data.examples, images))
    labels = []
    for row in pictures.classes.numpy()[examples]:
        answer = bool(rng.integers(2))
        asked = rng.choice(row if answer else np.setdiff1d(np.arange(10), row))
        labels.append([2 * int(asked) + answer])
    return build(config, pictures, about, membership_clauses(about), 20, examples, labels)


def membership_clauses(about: PictureAtoms) -> list[list[int]]:
    """Return for each digit: not yes, or some picture has it; not no, or this picture does not have it.

    The label atoms of digit d are "d, no" and "d, yes", in this order.
    """
    rules = []
    for digit in range(10):
        no, yes = about.size + 2 * digit + 1, about.size + 2 * digit + 2
        literals = [about.literal(image, digit) for image in range(about.images)]
        rules += [[-yes, *literals], *([-no, -literal] for literal in literals)]
    return rules
