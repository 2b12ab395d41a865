"""Models with solutions: a folder of them, or a history of past solves."""

from __future__ import annotations

import functools
import hashlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
from ortools.sat.python import cp_model
from tqdm import tqdm

from nnsearch.encoding.model_graph.encoder import ModelGraphEncoder, ModelGraphEncoding
from nnsearch.errors import NNSearchError, PoolError
from nnsearch.history.recording import model_of
from nnsearch.history.store import Store
from nnsearch.model.lists import within
from nnsearch.model.prepared import PreparedModel
from nnsearch.model.rows import LINEAR_ROW
from nnsearch.output_file import save_npz
from nnsearch.problems.reading import read_problem
from training.losses.row_propagation import RowPropagation

IntArray = npt.NDArray[np.int64]
DoubleArray = npt.NDArray[np.float64]

ENDINGS = (".pb", ".binpb", ".pbtxt", ".textproto")
"""The endings of files of models in a folder."""


@dataclass(frozen=True, eq=False)
class SolvedModel:
    """A model with S solutions, the best first.

    Attributes:
        name: for messages.
        encoding: the model as a network reads it.
        solutions: int64[S, V].
        gaps: float64[S], how much worse each is than the best, as a share of the best objective; 0 without objective.
    """

    name: str
    encoding: ModelGraphEncoding
    solutions: IntArray
    gaps: DoubleArray

    def weights(self, temperature: float) -> DoubleArray:
        """Return float64[S], what each solution counts: the softmax of its gap, in units of the temperature."""
        odds = np.exp(-self.gaps / temperature)
        return np.asarray(odds / odds.sum())

    @functools.cached_property
    def row_propagation(self) -> RowPropagation:
        """Bounds consistency of the model's rows."""
        items, model = self.encoding.items, self.encoding.graph.model
        assert model is not None, "it was read from one"
        return RowPropagation(model.rows, items.low.astype(np.int64), items.high.astype(np.int64))


def solutions_file(model: Path) -> Path:
    """Return where the solutions of a file of a model are."""
    return model.with_name(model.name.removesuffix(model.suffix) + ".solutions.npz")


def write_solutions(model: Path, solutions: IntArray, objectives: DoubleArray) -> None:
    """Write solutions, int64[S, V], with their objectives, float64[S], NaN without one, beside their model."""
    save_npz(solutions_file(model), {"solutions": solutions, "objectives": objectives})


def model_files(folder: Path) -> list[Path]:
    """Return the files of models in a folder, by name.

    Raises:
        PoolError: there is none.
    """
    files = sorted(path for path in folder.glob("*") if path.suffix in ENDINGS) if folder.is_dir() else []
    if not files:
        raise PoolError(f"{folder}: expected a folder of models (*{', *'.join(ENDINGS)}), found none")
    return files


def read_folder(folder: Path, *, relaxed: bool) -> list[SolvedModel]:
    """Read the models of a folder that have solutions beside them.

    Args:
        folder: of files ``NAME.pb`` (see ``ENDINGS``) and ``NAME.solutions.npz``, see :func:`write_solutions`.
        relaxed: solve the linear relaxation of each.

    Raises:
        NNSearchError: a file cannot be read; solutions are of another model, or violate it; objectives are not theirs.
    """
    files = [file for file in model_files(folder) if solutions_file(file).exists()]
    if not files:
        raise PoolError(
            f"{folder}: expected solutions beside the models (NAME.solutions.npz), found none; make them: "
            f"python -m training solve --models {folder} --seconds 60"
        )

    def read() -> Iterator[SolvedModel]:
        for file in files:
            model, _ = read_problem(str(file), "cp-model").build()
            solutions, objectives = _read_solutions(solutions_file(file))
            yield _solved(file.stem, str(solutions_file(file)), model, solutions, objectives, relaxed)

    return list(_shown(read(), len(files)))


def read_store(location: str, family: str | None, *, relaxed: bool) -> list[SolvedModel]:
    """Read the solves of a history that have solutions, the oldest first; see :func:`read_folder`."""

    def read(store: Store, numbers: Sequence[int]) -> Iterator[SolvedModel]:
        for number in numbers:
            solve = store.load(number)
            model = model_of(store.model(number), store.name)
            solutions = np.stack([solution.values for solution in solve.solutions])
            objectives = [np.nan if one.objective is None else one.objective for one in solve.solutions]
            where = f"{store.name}: solve {number}"
            yield _solved(f"solve {number}", where, model, solutions, np.array(objectives, dtype=np.float64), relaxed)

    with Store(location, make=False) as store:
        numbers = [solve.number for solve in reversed(store.solves(family)) if solve.solutions]
        if not numbers:
            raise PoolError(
                f"{store.name}: expected past solves with solutions, found none; see: nnsearch history list"
            )
        return list(_shown(read(store, numbers), len(numbers)))


def digest_of(models: Sequence[SolvedModel]) -> str:
    """Return what two lists of solved models have in common if they are the same."""
    digest = hashlib.sha256()
    for one in models:
        digest.update(one.name.encode())
        for array in (one.solutions, one.gaps, one.encoding.nodes.coefficient, one.encoding.nodes.item):
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _shown(models: Iterator[SolvedModel], count: int) -> Iterator[SolvedModel]:
    """Show the progress of reading where that takes long."""
    shown: Iterator[SolvedModel] = tqdm(
        models, total=count, desc="reading", unit=" models", delay=2, leave=None, disable=not sys.stderr.isatty()
    )
    return shown


def _read_solutions(file: Path) -> tuple[IntArray, DoubleArray]:
    try:
        with np.load(file, allow_pickle=False) as arrays:
            solutions, objectives = arrays["solutions"], arrays["objectives"]
    except (OSError, ValueError, KeyError, BadZipFile, EOFError) as error:
        raise PoolError(
            f"{file}: expected solutions int64[S, V] and objectives float64[S] in a .npz, got: {error}"
        ) from None
    fits = solutions.ndim == 2 and objectives.shape == solutions.shape[:1] and len(solutions)
    if not fits or solutions.dtype.kind not in "iu" or objectives.dtype.kind not in "fiu":
        raise PoolError(
            f"{file}: expected solutions int64[S, V] and objectives float64[S], got {solutions.dtype}"
            f"{list(solutions.shape)} and {objectives.dtype}{list(objectives.shape)}"
        )
    return solutions.astype(np.int64), objectives.astype(np.float64)


def _solved(
    name: str, where: str, model: cp_model.CpModel, solutions: IntArray, objectives: DoubleArray, relaxed: bool
) -> SolvedModel:
    prepared = PreparedModel(model)
    _check(where, prepared, solutions)
    try:
        encoding = ModelGraphEncoder(relaxed).prepare(prepared.graph(), None, where)
    except NNSearchError as error:
        raise PoolError(str(error)) from None
    objective = prepared.objective
    if objective is None:
        gaps = np.zeros(len(solutions))
    else:
        real = np.array([objective.value_of(solution) for solution in solutions.tolist()])
        if not np.isfinite(objectives).all():
            objectives = real
        _check_objectives(where, objectives, real)
        worse = -objectives if objective.maximises else objectives
        order = np.argsort(worse, kind="stable")
        solutions, worse = solutions[order], worse[order]
        gaps = (worse - worse[0]) / max(abs(float(worse[0])), 1.0)
    return SolvedModel(name, encoding, solutions, gaps)


def _check_objectives(where: str, told: DoubleArray, real: DoubleArray) -> None:
    """Refuse objectives, float64[S], that are not those of the solutions, but for rounding."""
    wrong = np.flatnonzero(~np.isclose(told, real, rtol=1e-6, atol=1e-6))
    if len(wrong):
        number = int(wrong[0])
        raise PoolError(
            f"{where}: expected the objectives of the solutions, {real[number]:.12g} for solution {number}, found "
            f"{told[number]:.12g}; leave them NaN, or make the file again: python -m training solve"
        )


def _check(where: str, model: PreparedModel, solutions: IntArray) -> None:
    """Refuse solutions of another model: by their length, the domains, linear constraints, clauses and at-most-ones."""
    num_variables = len(model.names)
    if solutions.shape[1] != num_variables:
        raise PoolError(f"{where}: expected {num_variables} values in each solution, got {solutions.shape[1]}")
    rows = model.rows
    unconditional = (rows.enforcement.sizes == 0) & (rows.entries.sizes > 0)
    literals = rows.take(np.flatnonzero(unconditional & (rows.kind != LINEAR_ROW)))
    rows = rows.take(np.flatnonzero(unconditional & (rows.kind == LINEAR_ROW)))
    least, most = literals.sides()
    for number, solution in enumerate(solutions):
        inside = within(model.domains, np.arange(num_variables), solution)
        if not inside.all():
            name = model.names[int(inside.argmin())]
            raise PoolError(f"{where}: expected values of the model's domains, solution {number} has another of {name}")
        entries = rows.entries.items
        values = np.where(entries >= 0, solution[entries], -solution[~entries])
        sums = np.zeros(len(rows), dtype=np.int64)
        np.add.at(sums, rows.entries.owner, rows.coefficients * values)
        entries = literals.entries.items
        true = np.where(entries >= 0, solution[entries], 1 - solution[~entries])
        ones = np.bincount(literals.entries.owner, true, len(literals))
        broken = np.concatenate(
            [
                rows.constraint[~within(rows.domain, np.arange(len(rows)), sums)],
                literals.constraint[(ones < least) | (ones > most)],
            ]
        )
        if len(broken):
            raise PoolError(
                f"{where}: expected solutions of this model, solution {number} violates constraint {int(broken.min())}"
            )
