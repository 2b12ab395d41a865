"""Opening the database of a history: a file of SQLite, or a server of PostgreSQL. What is foreign is not written to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, insert, make_url, select, text, update
from sqlalchemy.exc import ArgumentError
from sqlalchemy.schema import CreateTable

from nnsearch.errors import HistoryError
from nnsearch.history.failures import BUSY_SECONDS, one_line
from nnsearch.history.sqlite_file import give_space_back, open_file
from nnsearch.history.tables import FORMAT, FORMATS, LINE_UPS, METADATA, SOLVES

_LOCK = 0x6E6E_7365_6172_6368
"""Of PostgreSQL, for as long as a transaction: held together by those who add, alone by who removes or makes tables."""

_CONNECT_SECONDS = 5
_NONE, _BEFORE = 0, 1
_NEW_COLUMN = SOLVES.c.improvements.name
_WRITES, _REMOVES = "nnsearch_writes", "nnsearch_removes"


class Database:
    """A database that holds the tables of this format, and nothing in their place.

    Args:
        location: a path of a SQLite file, or a URL of PostgreSQL.
        make: what is not there; False refuses it.

    Attributes:
        name: what people call it, without a password.

    Raises:
        HistoryError: there is something else, or nothing that can be reached.
    """

    def __init__(self, location: str | Path, make: bool) -> None:
        self._secret: str | None = None
        self.name = str(location)
        if isinstance(location, str) and "://" in location:
            self.name = location.partition("://")[0] + "://..."
            with self.one_line():
                url = _url(location)
            self.name = url.set(query={}, drivername="postgresql").render_as_string(hide_password=True)
            self._secret = str(url.query.get("password") or url.password or "") or None
            with self.one_line():
                self._engine = _postgres(url)
        else:
            with self.one_line():
                self._engine = open_file(Path(location), make)
                event.listen(self._engine, "begin", _begin_in_sqlite)
        try:
            with self.one_line():
                self._check_or_make(make)
        except BaseException:
            self._engine.dispose()
            raise

    def one_line(self) -> Any:
        """Return a context in which every error of the database is a HistoryError."""
        return one_line(self.name, self._secret)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a transaction that reads."""
        with self.one_line(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def adding(self) -> Iterator[Connection]:
        """Open a transaction that adds rows: others wait, or add at the same time."""
        with self.one_line(), self._engine.execution_options(**{_WRITES: True}).begin() as connection:
            yield connection

    @contextmanager
    def removing(self) -> Iterator[Connection]:
        """Open a transaction that removes rows, in which nobody else writes; then give the space back."""
        with self.one_line():
            engine = self._engine.execution_options(**{_WRITES: True, _REMOVES: True})
            with engine.begin() as connection:
                yield connection
            if self._engine.dialect.name == "sqlite":
                give_space_back(self._engine)

    def close(self) -> None:
        """Let go of the file or of the server."""
        with self.one_line():
            self._engine.dispose()

    def _check_or_make(self, make: bool) -> None:
        with self._engine.begin() as connection:
            found = _check(connection)
        if found == FORMAT:
            return
        if found == _NONE and not make:
            raise HistoryError("expected a history, got a place without one; correct it")
        with self._engine.execution_options(**{_WRITES: True, _REMOVES: True}).begin() as connection:
            found = _check(connection)  # another process may have been faster
            if found == _NONE:
                METADATA.create_all(connection, checkfirst=False)
                connection.execute(insert(FORMATS).values(format=FORMAT))
            elif found == _BEFORE:
                connection.execute(text(f"ALTER TABLE {SOLVES.name} ADD COLUMN {_NEW_COLUMN} TEXT NOT NULL DEFAULT ''"))
                connection.execute(CreateTable(LINE_UPS))
                connection.execute(update(FORMATS).values(format=FORMAT))


def _check(connection: Connection) -> int:
    """Return the format of the tables that are there, 0 where there are none; refuse others in their place.

    Of a file everything is ours; of a server everything in the current schema that has the name of one of our tables.
    """
    lite = connection.dialect.name == "sqlite"
    ours = set(METADATA.tables)
    kinds = {
        str(name): str(kind)
        for name, kind in connection.execute(text(_OBJECTS_OF_SQLITE if lite else _OBJECTS_OF_POSTGRES))
        if lite or name in ours
    }
    if not kinds:
        return _NONE
    if FORMATS.name not in kinds:
        raise HistoryError("expected a history of nnsearch, got another database; choose another")
    before = LINE_UPS.name not in kinds
    if before:
        ours.remove(LINE_UPS.name)
    if set(kinds) != ours or set(kinds.values()) != {"table"}:
        strange = sorted(name for name, kind in kinds.items() if name not in ours or kind != "table")
        missing = sorted(ours - set(kinds))
        got = f"{', '.join(strange[:3])}" if strange else f"none of the name {missing[0]}"
        raise HistoryError(f"expected the tables of nnsearch and nothing in their place, got {got}; choose another")
    found = [row.format for row in connection.execute(select(FORMATS.c.format).limit(2))]
    if len(found) == 1 and isinstance(found[0], int) and found[0] > FORMAT:
        raise HistoryError(f"expected a history of format {FORMAT}, got {found[0]}; install a newer nnsearch")
    if found != [_BEFORE if before else FORMAT]:
        raise HistoryError(f"expected a history of format {FORMAT}, got {str(found)[:60]}; choose another")
    for name in ours:
        columns = connection.execute(text(f"SELECT * FROM {name} LIMIT 0")).keys()
        expected = set(METADATA.tables[name].columns.keys())
        if set(columns) != expected - ({_NEW_COLUMN} if before and name == SOLVES.name else set()):
            raise HistoryError(f"expected the columns of nnsearch in the table {name}, got others; choose another")
    return _BEFORE if before else FORMAT


_OBJECTS_OF_SQLITE = """
    SELECT name, type FROM sqlite_master WHERE type != 'index' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
"""
_OBJECTS_OF_POSTGRES = """
    SELECT relname, CASE WHEN relkind IN ('r', 'p') AND NOT relhasrules AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_trigger WHERE tgrelid = pg_class.oid AND NOT tgisinternal
    ) THEN 'table' ELSE 'other' END
    FROM pg_catalog.pg_class WHERE relnamespace = (
        SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = current_schema()
    ) AND relkind IN ('r', 'p', 'v', 'm', 'f')
"""


def _begin_in_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _url(location: str) -> URL:
    try:
        url = make_url(location)
    except (ArgumentError, ValueError):
        raise HistoryError("expected postgresql://USER@HOST/DATABASE, got something else; correct it") from None
    if url.drivername not in ("postgresql", "postgres", "postgresql+psycopg"):
        raise HistoryError(
            f"expected a path of a SQLite file or postgresql://..., got {url.drivername}://; choose one of them"
        )
    return url.set(drivername="postgresql+psycopg")


def _postgres(url: URL) -> Engine:
    limits = {"connect_timeout": _CONNECT_SECONDS, "tcp_user_timeout": 1000 * 2 * _CONNECT_SECONDS}
    engine = create_engine(
        url,
        connect_args={key: value for key, value in limits.items() if key not in url.query},
        pool_size=1,
        max_overflow=-1,
        pool_pre_ping=True,
        hide_parameters=True,
    )
    event.listen(engine, "connect", _wait_for_locks)
    event.listen(engine, "begin", _begin_in_postgres)
    return engine


def _wait_for_locks(connection: Any, _: object) -> None:
    connection.execute(f"SET lock_timeout = {1000 * BUSY_SECONDS:.0f}")
    connection.commit()


def _begin_in_postgres(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get(_WRITES):
        together = "" if options.get(_REMOVES) else "_shared"
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock{together}({_LOCK})")
