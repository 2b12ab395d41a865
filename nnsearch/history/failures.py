"""What goes wrong in a database, as one line: what was expected, what came, what to do."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from nnsearch.errors import HistoryError

BUSY_SECONDS = 2.0
"""How long one waits for another who writes."""

_LOCKED = f"expected to wait at most {BUSY_SECONDS:g} s for others who write, waited longer; try again"
_READ_ONLY = "expected a history that can be written, got one that is read-only; choose another, or allow writing to it"
_FULL = "expected space to write, got a full disk; make space"
_NO_DATABASE = "expected a history of nnsearch, got another or a damaged file; choose another"
_DAMAGED = "expected a whole history, got a damaged one; restore a copy of it, or choose another"
_CANNOT_OPEN = "expected a file in a folder that is there, got one that cannot be opened; choose another"

_OF_SQLITE = {
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_PERM: _READ_ONLY,
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_NOTADB: _NO_DATABASE,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_CANTOPEN: _CANNOT_OPEN,
}
"""By the primary code of the error."""

_OF_POSTGRES = {
    "42501": _READ_ONLY,
    "25006": _READ_ONLY,
    "55P03": _LOCKED,
    "57014": _LOCKED,
    "53100": _FULL,
    "42P01": _DAMAGED,
    "42703": _DAMAGED,
}
"""By the state of SQL."""


def damaged(what: object) -> str:
    """Return the line of a row that holds something else than it should."""
    return f"{_DAMAGED} ({what})"


@contextmanager
def one_line(name: str, secret: str | None = None) -> Iterator[None]:
    """Turn every error of a database, of its driver, or of what it holds into one line.

    Args:
        name: what people call the history.
        secret: what no line may show.

    Raises:
        HistoryError: with ``name: expected ..., got ...; ...``.
    """
    try:
        yield
    except ImportError:
        reason = "expected psycopg, the driver of PostgreSQL, got none; in the clone: pip install '.[postgres]'"
    except HistoryError as error:
        reason = str(error)
    except DBAPIError as error:
        reason = _reason(error.orig or error)
    except (sqlite3.Error, SQLAlchemyError, OSError) as error:
        reason = _reason(error)
    except (ArithmeticError, LookupError, TypeError, ValueError, MemoryError) as error:
        reason = damaged(error)
    else:
        return
    line = " ".join(f"{name}: {reason}".split())
    if secret:
        line = line.replace(secret, "***")
    raise HistoryError("".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)) from None


def _reason(error: BaseException) -> str:
    if isinstance(error, sqlite3.Error):
        # Of errors that Python's module raises itself there is no code.
        code = getattr(error, "sqlite_errorcode", None)
        if code is None:
            return damaged(error)
        if code & 0xFF in _OF_SQLITE:
            return _OF_SQLITE[code & 0xFF]
        return f"expected to read and write the file, got: {error}; is its disk full or its folder read-only?"
    state = getattr(error, "sqlstate", None)
    if state in _OF_POSTGRES:
        return _OF_POSTGRES[state]
    got = " ".join(str(error).split())[:300]
    if isinstance(error, OSError) or (state or "08")[:2] in ("08", "28", "3D", "57"):
        return f"expected a database that answers, got: {got}; check address, user and password"
    return f"expected the tables of nnsearch in this database, got: {got}; choose another"
