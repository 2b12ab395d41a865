"""The SQLite file of a history. Its first bytes say that it is one, so no other file is ever opened as a database."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from sqlalchemy import Engine, create_engine
from sqlalchemy.pool import QueuePool

from nnsearch.errors import HistoryError
from nnsearch.history.failures import BUSY_SECONDS

_BEGINNING = b"SQLite format 3\0"
_MARK = 0x6E6E_7372  # "nnsr"
_MARK_AT = 68  # where SQLite has the number that tells whose file it is

_SETTINGS = ("trusted_schema=OFF", "cell_size_check=ON", "foreign_keys=ON", "synchronous=NORMAL")
"""Of a connection. The last one loses nothing when a process is killed."""

_MAKING = (
    "BEGIN",  # so that nobody sees a file without the mark
    "PRAGMA auto_vacuum=INCREMENTAL",  # space can be given back; before anything else
    f"PRAGMA application_id={_MARK}",
    "COMMIT",
    "PRAGMA journal_mode=WAL",  # those who read and one who writes do not wait for each other
)


def open_file(path: Path, make: bool) -> Engine:
    """Return an engine that connects to a file, which may be read-only.

    Args:
        path: of the file.
        make: it where there is none, without tables.

    Raises:
        HistoryError: there is something else, or nothing.
        sqlite3.Error: the file cannot be made.
    """
    if path.is_dir() or (path.exists() and not path.is_file()):
        raise HistoryError("expected a file, got a folder or a device; choose another")
    if "\0" in str(path):
        raise HistoryError("expected a path, got one with a character that no file has in its name; choose another")
    if _is_new(path):
        if not make:
            raise HistoryError("expected a history, got nothing at this path; correct it")
        _make(path)
    address = path.absolute().as_uri()

    def connect() -> sqlite3.Connection:
        try:
            return _connected(f"{address}?mode=rw")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
                raise
            wal = path.with_name(path.name + "-wal")
            if not path.exists() or (wal.exists() and wal.stat().st_size):
                raise
            # In a folder in which no file can be made there is no place for what processes share.
            return _connected(f"{address}?mode=ro&immutable=1")

    return create_engine("sqlite://", creator=connect, pool_size=1, max_overflow=-1, poolclass=QueuePool)


def _is_new(path: Path) -> bool:
    """Tell whether there is nothing yet, or nothing in it."""
    if not path.exists():
        return True
    with path.open("rb") as file:
        header = file.read(_MARK_AT + 4)
    if header and not header.startswith(_BEGINNING):
        raise HistoryError("expected a history of nnsearch, got a file of something else; choose another")
    if header and header[_MARK_AT:] != _MARK.to_bytes(4, "big"):
        raise HistoryError("expected a history of nnsearch, got another or a damaged database; choose another")
    return not header


def _make(path: Path) -> None:
    end = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            with closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
                for statement in _MAKING:
                    connection.execute(statement).fetchall()
            return
        except sqlite3.OperationalError as error:
            # SQLite does not wait by itself for another process that does the same.
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
        time.sleep(0.01)


def _connected(address: str) -> sqlite3.Connection:
    # Threads take turns through SQLAlchemy's pool. None: transactions begin where we say.
    connection = sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        for setting in _SETTINGS:
            connection.execute(f"PRAGMA {setting}")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # reads the file, if nothing did before
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def give_space_back(engine: Engine) -> None:
    """Make a file smaller from which rows were removed; where others write, its space is used later."""
    try:
        with engine.connect() as connection:
            # As a script: otherwise a single page is given back.
            script = "PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE);"
            connection.connection.cursor().executescript(script)
    except sqlite3.OperationalError:
        return
