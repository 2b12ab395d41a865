"""How near two models are, told from sketches of them that a store can hold.

A sketch is the smallest hashes of a model's parts (A. Broder, On the resemblance and containment of documents, 1997):
the share of hashes that two sketches have in common estimates the share of parts that two models have in common.
"""

from __future__ import annotations

import zlib

import numpy as np
import numpy.typing as npt

from nnsearch.history.matching import occurrences
from nnsearch.model.lists import Lists
from nnsearch.model.prepared import PreparedModel

Hashes = npt.NDArray[np.uint64]

SIZE = 128
"""Hashes of a sketch; the error of an estimate is below 1 / sqrt(SIZE)."""

_NAME, _DOMAIN, _OBJECTIVE, _ROW, _OTHER = (np.uint64(0x9E3779B97F4A7C15 * seed % 2**64) for seed in range(1, 6))


def sketch(model: PreparedModel) -> Hashes:
    """Return uint64[SIZE or less], ascending: the smallest hashes of the model's parts.

    Parts are the variables by name, their domains, the terms of the objective, and the constraints. The order of
    variables and rows plays no part; that of variables in other constraints does.
    """
    names = [variable.name for variable in model.proto.variables]
    crc = np.fromiter((zlib.crc32(name.encode()) for name in names), dtype=np.uint64, count=len(names))
    variable = _mixed(crc + (np.array(occurrences(names), dtype=np.uint64) << np.uint64(32)))
    parts = [_mixed(variable ^ _NAME), _mixed(variable ^ _of_lists(model.domains) ^ _DOMAIN)]
    if model.objective is not None:
        message = model.objective.message
        references = np.array(list(message.vars), dtype=np.int64)
        factors = np.array(list(message.coeffs), dtype=np.float64).view(np.uint64)
        parts.append(_mixed(_of_literals(references, variable) + _mixed(factors ^ _OBJECTIVE)))
    parts += [_of_rows(model, variable), _of_others(model)]
    return _smallest(np.concatenate(parts))


def nearness(one: Hashes, other: Hashes) -> float:
    """Estimate the share of parts that two models have in common, of all parts of either, from their sketches."""
    united = np.union1d(one, other)[:SIZE]
    common = np.intersect1d(np.intersect1d(one, other, assume_unique=True), united, assume_unique=True)
    return len(common) / max(len(united), 1)


def _smallest(hashes: Hashes) -> Hashes:
    """Return the SIZE smallest of different hashes, ascending; all of a large model are not sorted for that."""
    count = 2 * SIZE
    while count < len(hashes):
        found = np.unique(np.partition(hashes, count)[:count])
        if len(found) >= SIZE:
            return found[:SIZE]
        count *= 8
    return np.unique(hashes)[:SIZE]


def _of_rows(model: PreparedModel, variable: Hashes) -> Hashes:
    rows = model.rows
    terms = _mixed(_of_literals(rows.entries.items, variable) + rows.coefficients.view(np.uint64))
    enforced = _mixed(_of_literals(rows.enforcement.items, variable))
    sums = _sums(Lists(rows.entries.offset, terms.view(np.int64))) + _sums(
        Lists(rows.enforcement.offset, enforced.view(np.int64))
    )
    return _mixed(sums ^ _of_lists(rows.domain) ^ _mixed(rows.kind.astype(np.uint64) ^ _ROW))


def _of_others(model: PreparedModel) -> Hashes:
    texts = (message.SerializeToString(deterministic=True) for _, _, message in model.others)
    return _mixed(np.fromiter(map(zlib.crc32, texts), dtype=np.uint64, count=len(model.others)) ^ _OTHER)


def _of_literals(references: npt.NDArray[np.int64], variable: Hashes) -> Hashes:
    positive = references >= 0
    return variable[np.where(positive, references, ~references)] ^ np.where(positive, np.uint64(0), ~np.uint64(0))


def _of_lists(lists: Lists) -> Hashes:
    places = np.arange(len(lists.items), dtype=np.int64) - lists.offset[lists.owner]
    items = _mixed(lists.items.view(np.uint64) + _mixed(places.view(np.uint64)))
    return _sums(Lists(lists.offset, items.view(np.int64)))


def _sums(lists: Lists) -> Hashes:
    """Return uint64[L], the sums of hashes, which wrap around."""
    total = np.concatenate([[np.uint64(0)], np.cumsum(lists.items.view(np.uint64), dtype=np.uint64)])
    return total[lists.offset[1:]] - total[lists.offset[:-1]]


def _mixed(values: Hashes) -> Hashes:
    """Mix bits as splitmix64 does (Steele, Lea, Flood, Fast splittable pseudorandom number generators, 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
