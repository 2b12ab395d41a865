"""The store of past solves: one SQLite file, or a PostgreSQL that a team shares.

Importing this module loads SQLAlchemy, so import it where a history is opened.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, Select, Table, and_, delete, func, insert, or_, select

from nnsearch.errors import HistoryError
from nnsearch.history.compression import (
    MOST_BYTES,
    compress,
    compress_numbers,
    decompress,
    decompress_numbers,
    names_as_bytes,
    names_of_bytes,
)
from nnsearch.history.database import Database
from nnsearch.history.line_up import LineUp
from nnsearch.history.past_solve import PastSolution, PastSolve
from nnsearch.history.tables import LINE_UPS, MODELS, SHAPES, SOLUTIONS, SOLVES
from nnsearch.result import Status

_MUCH_SMALLER = 0.5  # what a difference takes, of what the whole model takes, to be kept in its place
_DAY = 86400.0
_MOST_SOLVES = 2**31 - 1  # whole numbers of PostgreSQL


class Sketch(NamedTuple):
    """What tells how near a past model is, without reading it.

    Attributes:
        number: the solve's.
        created: when it ended, in seconds since 1970.
        shape: of the names of its variables, as :func:`nnsearch.history.compression.digest_of_names` says.
        sketch: uint64[...], as it was recorded.
    """

    number: int
    created: float
    shape: str
    sketch: npt.NDArray[np.uint64]


class FamilySummary(NamedTuple):
    """What a store has of a family.

    Attributes:
        family: its name.
        solves: how many.
        solved: of how many of them there is a solution.
        first: when the first of them ended, in seconds since 1970.
        last: when the last one did.
    """

    family: str
    solves: int
    solved: int
    first: float
    last: float


class SolveSummary(NamedTuple):
    """What a list says of a solve; see :class:`nnsearch.history.past_solve.PastSolve`.

    Attributes:
        variables: how many the model has.
        solutions: how many are kept.
    """

    number: int
    family: str
    created: float
    status: Status
    objective: float | None
    bound: float | None
    seconds: float
    found_by: str
    variables: int
    solutions: int


class Store:
    """Past solves. Threads and processes may use one store at the same time; what :meth:`record` returned stays.

    Args:
        location: the path of a SQLite file, or a URL such as ``postgresql://user@host/database``. One that is read-only
            can be read.
        make: a store where there is none; False refuses that.

    Attributes:
        name: the location without its password.

    Raises:
        HistoryError: it is damaged, foreign, locked, of a newer format, or cannot be reached.

    Examples:
        >>> from nnsearch.history.store import Store
        >>> store = Store("plans.db")
        >>> store.families()
        []
        >>> store.close()
    """

    def __init__(self, location: str | Path, *, make: bool = True) -> None:
        self._database = Database(location, make)
        self.name = self._database.name
        self._base: _Base | None = None  # the model that was last a base: the next one may well resemble it

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file or of the server."""
        self._database.close()

    def record(self, solve: PastSolve, model: bytes, sketch: npt.NDArray[np.uint64]) -> int:
        """Keep a solve, whole or not at all.

        Args:
            solve: its ``number`` is not looked at.
            model: a serialised CpModelProto without hint. An equal one is kept once, and one that resembles another as
                the difference.
            sketch: a few uint64 that tell nearness, of no meaning here.

        Returns:
            Its number in the store.

        Raises:
            HistoryError: the store cannot be written, or the solve is too large for it.
        """
        with self._database.one_line():
            row = _row_of(solve, model, sketch)
            names = names_as_bytes(solve.names)
            shape = hashlib.sha256(names).digest()
            values = [one.values for one in solve.solutions]
            solutions = {
                "objectives": np.array([_or_nan(one.objective) for one in solve.solutions], dtype="<f8").tobytes(),
                "content": compress_numbers(np.array(values, dtype=np.int64)),
            }
        # Whoever writes keeps others waiting: what can be done before is.
        digest = hashlib.sha256(model).digest()
        with self._database.reading() as connection:
            known = _number_of(connection, MODELS, digest) is not None
            base = None if known else self._latest_base(connection, solve.family)
        with self._database.one_line():
            kept = None if known else _packed(model, base)
        with self._database.adding() as connection:
            row["model"] = _number_of(connection, MODELS, digest)
            if row["model"] is None:
                if kept is None or not _is_there(connection, base):  # removed in between
                    kept = _packed(model, None)
                added = {"digest": digest, "family": solve.family, "size": len(model), **kept}
                row["model"] = _added(connection, MODELS, added)
            row["shape"] = _number_of(connection, SHAPES, shape)
            if row["shape"] is None:
                added = {"digest": shape, "variables": len(solve.names), "size": len(names), "names": compress(names)}
                row["shape"] = _added(connection, SHAPES, added)
            (number,) = connection.execute(insert(SOLVES).values(row)).inserted_primary_key or (0,)
            if values:
                connection.execute(insert(SOLUTIONS).values(solve=number, **solutions))
            return int(number)

    def sketches(self, family: str | None, limit: int = 200) -> list[Sketch]:
        """Return the sketches of the solves with a solution, the latest first.

        Args:
            family: of which solves; None is all.
            limit: at most so many.
        """
        query = select(SOLVES.c.number, SOLVES.c.created, SHAPES.c.digest, SOLVES.c.sketch).join(SHAPES)
        query = _latest_first(query.where(SOLVES.c.solutions > 0), family, limit)
        with self._database.reading() as connection:
            return [
                Sketch(
                    _int(row.number),
                    _float(row.created),
                    _bytes(row.digest).hex(),
                    np.frombuffer(_bytes(row.sketch), "<u8"),
                )
                for row in connection.execute(query)
            ]

    def load(self, number: int) -> PastSolve:
        """Return a solve.

        Raises:
            HistoryError: there is none of this number, or it is damaged.
        """
        query = (
            select(
                SOLVES, SHAPES.c.variables, SHAPES.c.size, SHAPES.c.names, SOLUTIONS.c.objectives, SOLUTIONS.c.content
            )
            .join(SHAPES)
            .outerjoin(SOLUTIONS)
            .where(SOLVES.c.number == number)
        )
        with self._database.reading() as connection:
            row = _one(connection, query, number)
            count, variables = _int(row.solutions), _int(row.variables)
            names = names_of_bytes(decompress(_bytes(row.names), _int(row.size)), variables)
            solutions: tuple[PastSolution, ...] = ()
            if count:
                objectives = np.frombuffer(_bytes(row.objectives), dtype="<f8").tolist()
                values = decompress_numbers(_bytes(row.content), count * variables).reshape(count, variables)
                solutions = tuple(
                    PastSolution(one, None if math.isnan(objective) else objective)
                    for one, objective in zip(values, objectives, strict=True)
                )
            return PastSolve(
                family=_text(row.family),
                created=_float(row.created),
                status=Status(row.status),
                objective=_float_or_none(row.objective),
                bound=_float_or_none(row.bound),
                seconds=_float(row.seconds),
                found_by=_text(row.found_by),
                parameters=_text(row.parameters),
                names=names,
                solutions=solutions,
                improvements=_improvements(row.improvements),
                number=_int(row.number),
            )

    def model(self, number: int) -> bytes:
        """Return the model of a solve, a serialised CpModelProto.

        Raises:
            HistoryError: there is no solve of this number, or it is damaged.
        """
        base = MODELS.alias("base")
        query = (
            select(
                *(MODELS.c[name] for name in ("digest", "base", "size", "content")),
                *(base.c[name].label(f"base_{name}") for name in ("digest", "base", "size", "content")),
            )
            .join_from(SOLVES, MODELS, SOLVES.c.model == MODELS.c.number)
            .outerjoin(base, MODELS.c.base == base.c.number)
            .where(SOLVES.c.number == number)
        )
        with self._database.reading() as connection:
            row = _one(connection, query, number)
            beginning = None
            if row.base is not None:
                if row.base_content is None or row.base_base is not None:
                    raise ValueError("the base of a difference is none")
                beginning = _model_of(row.base_digest, row.base_size, row.base_content, None)
            return _model_of(row.digest, row.size, row.content, beginning)

    def families(self) -> list[FamilySummary]:
        """Return what there is of each family, by name."""
        query = (
            select(
                SOLVES.c.family,
                func.count(),
                func.count().filter(SOLVES.c.solutions > 0),
                func.min(SOLVES.c.created),
                func.max(SOLVES.c.created),
            )
            .group_by(SOLVES.c.family)
            .order_by(SOLVES.c.family)
        )
        with self._database.reading() as connection:
            return [
                FamilySummary(_text(family), _int(solves), _int(solved), _float(first), _float(last))
                for family, solves, solved, first, last in connection.execute(query)
            ]

    def solves(self, family: str | None = None, limit: int | None = None) -> list[SolveSummary]:
        """Return the solves of a family or of all, the latest first."""
        columns = (
            *(SOLVES.c[name] for name in SolveSummary._fields[:8]),
            SHAPES.c.variables,
            SOLVES.c.solutions,
        )
        query = _latest_first(select(*columns).join_from(SOLVES, SHAPES), family, limit)
        with self._database.reading() as connection:
            return [
                SolveSummary(
                    _int(row.number),
                    _text(row.family),
                    _float(row.created),
                    Status(row.status),
                    _float_or_none(row.objective),
                    _float_or_none(row.bound),
                    _float(row.seconds),
                    _text(row.found_by),
                    _int(row.variables),
                    _int(row.solutions),
                )
                for row in connection.execute(query)
            ]

    def improvements(self, family: str, limit: int = 200) -> list[dict[str, int]]:
        """Return how many better solutions each of CP-SAT's subsolvers brought in each of a family's latest solves."""
        query = _latest_first(select(SOLVES.c.improvements), family, limit)
        with self._database.reading() as connection:
            return [_improvements(text) for (text,) in connection.execute(query)]

    def keep_line_up(self, family: str, line_up: LineUp) -> None:
        """Keep what was measured of a line-up, in the place of what is known for as many workers."""
        key = {"family": family, "workers": line_up.workers}
        row = {"subsolvers": " ".join(line_up.subsolvers), "helps": int(line_up.helps), "measured": line_up.measured}
        with self._database.removing() as connection:
            connection.execute(delete(LINE_UPS).filter_by(**key))
            connection.execute(insert(LINE_UPS).values(**key, **row))

    def line_up(self, family: str, workers: int) -> LineUp | None:
        """Return what was measured last of a line-up for so many workers; None if nothing was."""
        with self._database.reading() as connection:
            query = select(LINE_UPS).filter_by(family=family, workers=workers)
            row = connection.execute(query).one_or_none()
            if row is None:
                return None
            names = tuple(_text(row.subsolvers).split())
            return LineUp(names, _int(row.workers), bool(_int(row.helps)), _text(row.measured))

    def prune(self, keep: int | None, days: float | None, family: str | None = None) -> int:
        """Remove old solves, and the models and names that no other solve needs.

        Args:
            keep: of each family, so many of the latest stay; None is all.
            days: those stay that are not older; None is all.
            family: of which solves; None is all.

        Returns:
            How many were removed.
        """
        rank = (
            func.row_number()
            .over(partition_by=SOLVES.c.family, order_by=(SOLVES.c.created.desc(), SOLVES.c.number.desc()))
            .label("rank")
        )
        ranked = select(SOLVES.c.number, SOLVES.c.family, SOLVES.c.created, rank).subquery()
        reasons = []
        if keep is not None:
            reasons.append(ranked.c.rank > keep)
        if days is not None:
            reasons.append(ranked.c.created < time.time() - days * _DAY)
        if not reasons:
            return 0
        old = select(ranked.c.number).where(or_(*reasons))
        if family is not None:
            old = old.where(ranked.c.family == family)
        with self._database.removing() as connection:
            numbers = [_int(number) for (number,) in connection.execute(old)]
            for start in range(0, len(numbers), 500):  # SQLite takes a thousand parameters
                some = numbers[start : start + 500]
                connection.execute(delete(SOLUTIONS).where(SOLUTIONS.c.solve.in_(some)))
                connection.execute(delete(SOLVES).where(SOLVES.c.number.in_(some)))
            based = MODELS.alias("based")
            unused = ~select(SOLVES.c.number).where(SOLVES.c.model == MODELS.c.number).exists()
            unbased = ~select(based.c.number).where(based.c.base == MODELS.c.number).exists()
            connection.execute(delete(MODELS).where(and_(unused, MODELS.c.base.is_not(None))))
            connection.execute(delete(MODELS).where(and_(unused, unbased)))
            unnamed = ~select(SOLVES.c.number).where(SOLVES.c.shape == SHAPES.c.number).exists()
            connection.execute(delete(SHAPES).where(unnamed))
        return len(numbers)

    def _latest_base(self, connection: Connection, family: str) -> _Base | None:
        """Return the latest full model, of the family where it has one; None if there is none that can be read."""
        columns = select(MODELS.c.number, MODELS.c.digest).where(MODELS.c.base.is_(None))
        latest = columns.order_by(MODELS.c.number.desc()).limit(1)
        row = connection.execute(latest.where(MODELS.c.family == family)).one_or_none()
        row = row or connection.execute(latest).one_or_none()
        if row is None:
            return None
        number, digest = _int(row.number), _bytes(row.digest)
        base = self._base
        if base is None or (base.number, base.digest) != (number, digest):  # numbers of removed models come again
            query = select(MODELS.c.size, MODELS.c.content).where(MODELS.c.number == number)
            row = connection.execute(query).one()
            try:
                base = self._base = _Base(number, digest, _model_of(digest, row.size, row.content, None))
            except ValueError:
                return None  # it is damaged, which is told to whoever asks for it
        return base


class _Base(NamedTuple):
    """A model that others are kept as differences to."""

    number: int
    digest: bytes
    content: bytes


def _row_of(solve: PastSolve, model: bytes, sketch: npt.NDArray[np.uint64]) -> dict[str, Any]:
    """Return the row of a solve, after a check that databases take it."""
    for word in (solve.family, solve.found_by, solve.parameters):
        if "\0" in word or not _is_unicode(word):
            raise HistoryError(
                "expected a family, a finder and parameters of Unicode, got another character; leave it out"
            )
    if not (math.isfinite(solve.created) and math.isfinite(solve.seconds)):
        raise HistoryError(
            f"expected a time and a duration, got {solve.created} and {solve.seconds}; record what the clock says"
        )
    size = max(len(model), 8 * len(solve.names) * max(len(solve.solutions), 1), sum(map(len, solve.names)) * 4)
    if size > MOST_BYTES:
        raise HistoryError(
            f"expected a solve of at most {MOST_BYTES >> 20} MiB, got {size >> 20} MiB; do not record it"
        )
    return {
        "family": solve.family,
        "created": float(solve.created),
        "status": str(solve.status),
        "objective": _finite(solve.objective),
        "bound": _finite(solve.bound),
        "seconds": float(solve.seconds),
        "found_by": solve.found_by,
        "solutions": len(solve.solutions),
        "parameters": solve.parameters,
        "improvements": json.dumps(dict(solve.improvements)),
        "sketch": np.ascontiguousarray(sketch, dtype="<u8").tobytes(),
    }


def _packed(model: bytes, base: _Base | None) -> dict[str, Any]:
    """Return the columns of a model: the difference to another one if that is much smaller, else all of it."""
    whole = compress(model)
    if base is not None:
        difference = compress(model, base.content)
        if len(difference) < _MUCH_SMALLER * len(whole):
            return {"base": base.number, "content": difference}
    return {"base": None, "content": whole}


def _model_of(digest: object, size: object, content: object, base: bytes | None) -> bytes:
    model = decompress(_bytes(content), _int(size), base)
    if hashlib.sha256(model).digest() != digest:
        raise ValueError("a model differs from its digest")
    return model


def _number_of(connection: Connection, table: Table, digest: bytes) -> int | None:
    return connection.execute(select(table.c.number).where(table.c.digest == digest)).scalar_one_or_none()


def _is_there(connection: Connection, base: _Base | None) -> bool:
    """Tell whether a base, if there is one, is still in the store under its number."""
    return base is None or _number_of(connection, MODELS, base.digest) == base.number


def _added(connection: Connection, table: Table, row: dict[str, Any]) -> int:
    """Add what has a digest, or return the number under which another process has just added it."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as insert_in_postgres

        connection.execute(insert_in_postgres(table).values(row).on_conflict_do_nothing(index_elements=["digest"]))
    else:
        connection.execute(insert(table).values(row))
    number = _number_of(connection, table, row["digest"])
    assert number is not None
    return number


def _latest_first(query: Select[Any], family: str | None, limit: int | None) -> Select[Any]:
    if family is not None:
        query = query.where(SOLVES.c.family == family)
    return query.order_by(SOLVES.c.created.desc(), SOLVES.c.number.desc()).limit(limit)


def _is_unicode(word: str) -> bool:
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True


def _one(connection: Connection, query: Select[Any], number: int) -> Any:
    """Return the row that a query has for the solve of a number.

    Raises:
        HistoryError: there is none.
    """
    row = connection.execute(query).one_or_none() if 0 < number <= _MOST_SOLVES else None
    if row is None:
        raise HistoryError(
            f"expected the number of a solve, got {number}, which is none; nnsearch history list shows them"
        )
    return row


def _finite(number: float | None) -> float | None:
    """A bound that is infinite is none."""
    return None if number is None or not math.isfinite(number) else float(number)


def _or_nan(objective: float | None) -> float:
    return math.nan if objective is None else objective


# SQLite's columns hold what is put into them, whatever their type.


def _improvements(value: object) -> dict[str, int]:
    try:
        counts = json.loads(_text(value) or "{}")
    except RecursionError:
        counts = None
    if not isinstance(counts, dict):
        raise ValueError("expected numbers by subsolver")
    return {str(name): _int(count) for name, count in counts.items()}


def _int(value: object) -> int:
    if type(value) is not int:
        raise ValueError("expected a whole number")
    return value


def _float(value: object) -> float:
    if not isinstance(value, float):
        raise ValueError("expected a number")
    return value


def _float_or_none(value: object) -> float | None:
    return None if value is None else _float(value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("expected a text")
    return value


def _bytes(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError("expected bytes")
    return value
