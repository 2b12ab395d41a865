"""Opening the database of a history: a file of SQLite, or a server of PostgreSQL. What is foreign is not written to."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, insert, make_url, select, text
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.pool import QueuePool

from nnsearch.errors import HistoryError
from nnsearch.history.failures import BUSY_SECONDS, one_line
from nnsearch.history.tables import FORMAT, FORMATS, METADATA

_LOCK = 0x6E6E_7365_6172_6368
"""Of PostgreSQL, for as long as a transaction: held together by those who add, alone by who removes or makes tables."""

_CONNECT_SECONDS = 5
_NOTHING = "expected a history, got nothing at this place; correct it"
_SETTINGS = ("trusted_schema=OFF", "cell_size_check=ON", "foreign_keys=ON", "synchronous=NORMAL")
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
                if not make and not Path(location).exists():
                    raise HistoryError(_NOTHING)
                self._engine = _sqlite(Path(location))
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
                # Where others write, the space is used later. As a script: otherwise a single page is given back.
                with suppress(sqlite3.OperationalError), self._engine.connect() as connection:
                    script = "PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE);"
                    connection.connection.cursor().executescript(script)

    def close(self) -> None:
        """Let go of the file or of the server."""
        with self.one_line():
            self._engine.dispose()

    def _check_or_make(self, make: bool) -> None:
        with self._engine.begin() as connection:
            there = _check(connection)
        if there:
            return
        if not make:
            raise HistoryError(_NOTHING)
        if self._engine.dialect.name == "sqlite":
            _prepare_file(self._engine)
        with self._engine.execution_options(**{_WRITES: True, _REMOVES: True}).begin() as connection:
            if not _check(connection):  # else another process made them in between
                METADATA.create_all(connection, checkfirst=False)
                connection.execute(insert(FORMATS).values(format=FORMAT))


def _check(connection: Connection) -> bool:
    """Tell whether the tables are there; refuse others in their place.

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
        return False
    if FORMATS.name not in kinds:
        raise HistoryError("expected a history of nnsearch, got another database; choose another")
    if set(kinds) != ours or set(kinds.values()) != {"table"}:
        strange = sorted(name for name, kind in kinds.items() if name not in ours or kind != "table")
        missing = sorted(ours - set(kinds))
        got = f"{', '.join(strange[:3])}" if strange else f"none of the name {missing[0]}"
        raise HistoryError(f"expected the tables of nnsearch and nothing in their place, got {got}; choose another")
    found = [row.format for row in connection.execute(select(FORMATS.c.format).limit(2))]
    if len(found) == 1 and isinstance(found[0], int) and found[0] > FORMAT:
        raise HistoryError(f"expected a history of format {FORMAT}, got {found[0]}; install a newer nnsearch")
    if found != [FORMAT]:
        raise HistoryError(f"expected a history of format {FORMAT}, got {str(found)[:60]}; choose another")
    for table in METADATA.tables.values():
        columns = connection.execute(text(f"SELECT * FROM {table.name} LIMIT 0")).keys()
        if set(columns) != set(table.columns.keys()):
            raise HistoryError(
                f"expected the columns of nnsearch in the table {table.name}, got others; choose another"
            )
    return True


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


def _sqlite(path: Path) -> Engine:
    if path.is_dir() or (path.exists() and not path.is_file()):
        raise HistoryError("expected a file, got a folder or a device; choose another")
    if "\0" in str(path):
        raise HistoryError("expected a path, got one with a character that no file has in its name; choose another")
    address = path.absolute().as_uri()

    def connect() -> sqlite3.Connection:
        # What is set in a file that is not new is written to it.
        settings = ("auto_vacuum=INCREMENTAL", *_SETTINGS) if _is_new(path) else _SETTINGS
        try:
            return _connect(f"{address}?mode=rwc", settings)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
                raise
            wal = path.with_name(path.name + "-wal")
            if not path.exists() or (wal.exists() and wal.stat().st_size):
                raise
            # In a folder in which no file can be made there is no place for what processes share.
            return _connect(f"{address}?mode=ro&immutable=1", settings)

    engine = create_engine("sqlite://", creator=connect, pool_size=1, max_overflow=-1, poolclass=QueuePool)
    event.listen(engine, "begin", _begin_in_sqlite)
    return engine


def _is_new(path: Path) -> bool:
    """Tell whether there is no database yet, and refuse what is none; SQLite takes a single byte for an empty file."""
    if not path.exists():
        return True
    with path.open("rb") as file:
        beginning = file.read(16)
    if beginning not in (b"", b"SQLite format 3\0"):
        raise HistoryError("expected a history of nnsearch, got a file of something else; choose another")
    return not beginning


def _connect(address: str, settings: Iterable[str]) -> sqlite3.Connection:
    # Threads take turns through SQLAlchemy's pool. None: transactions begin where we say.
    connection = sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        for setting in settings:
            connection.execute(f"PRAGMA {setting}")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # reads the file, if nothing did before
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _begin_in_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _prepare_file(engine: Engine) -> None:
    """Let readers and a writer work side by side, which stays so in a file."""

    def change() -> None:
        with engine.connect() as connection:
            connection.connection.cursor().execute("PRAGMA journal_mode=WAL").fetchall()

    _waiting(change)


def _waiting(change: Callable[[], None]) -> None:
    """Do what SQLite does not wait for by itself while another process does the same."""
    end = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            return change()
        except (sqlite3.OperationalError, OperationalError) as error:
            locked = "locked" in str(error)
            if not locked or time.monotonic() > end:
                raise
        time.sleep(0.01)


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
