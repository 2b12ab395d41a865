"""What is damaged, foreign, hostile, locked, full or unreachable is one line, and is not written to."""

from __future__ import annotations

import multiprocessing
import os
import re
import resource
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import pytest
import zstandard
from past_solves import past_solve, same, sketch_of, some_model

from nnsearch.errors import HistoryError
from nnsearch.history import database, sqlite_file
from nnsearch.history.store import Store

FORK = multiprocessing.get_context("fork")
NEWER = "UPDATE nnsearch_history SET format = 3"


def line_of(error: HistoryError) -> str:
    line = str(error)
    assert re.fullmatch(r"[^\n]+: expected [^\n]+, (got:?|waited) [^\n]+; [^\n]+", line)
    assert not re.search(r"sqlalche|sqlite3|psycopg\.|Traceback|pass-word", line, re.IGNORECASE)
    assert error.__suppress_context__
    return line


def refused(call: Callable[[], object]) -> str:
    """Return the one line."""
    with pytest.raises(HistoryError) as caught:
        call()
    return line_of(caught.value)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A file of three solves, of which all models but the first are differences."""
    path = tmp_path_factory.mktemp("whole") / "plans.db"
    with Store(path) as store:
        for number in range(3):
            store.record(past_solve(number), some_model(number), sketch_of(number))
    assert not path.with_name("plans.db-wal").exists()
    return path.read_bytes()


@pytest.fixture
def path(tmp_path: Path, whole: bytes) -> Path:
    """A store of its own."""
    path = tmp_path / "plans.db"
    path.write_bytes(whole)
    return path


def changed(path: Path, *statements: str, **values: object) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement, values)


def use(path: Path) -> Iterator[Callable[[], object]]:
    """Everything that can be done with a store."""
    with Store(path) as store:
        for number in (1, 2, 3):
            yield lambda number=number: store.load(number)  # type: ignore[misc]
            yield lambda number=number: store.model(number)  # type: ignore[misc]
        yield lambda: store.sketches(None)
        yield store.families
        yield store.solves
        yield lambda: store.record(past_solve(7), some_model(7), sketch_of(7))
        yield lambda: store.prune(2, None)


def faults(path: Path) -> list[str]:
    """Do everything; return the lines of what was refused. Nothing else is raised."""
    lines: list[str] = []
    try:
        for call in use(path):
            try:
                call()
            except HistoryError as error:
                lines.append(line_of(error))
    except HistoryError as error:
        lines.append(line_of(error))
    return lines


def test_a_whole_store_has_no_faults(path: Path) -> None:
    assert faults(path) == []


def test_a_cut_file(path: Path) -> None:
    content = path.read_bytes()
    for length in (1, 15, 99, 100, 2000, 4096, 5000, len(content) // 2, len(content) - 4096, len(content) - 1):
        path.write_bytes(content[:length])
        assert faults(path)


def test_a_file_with_changed_bytes_gives_what_was_recorded_or_one_line(path: Path) -> None:
    content = np.frombuffer(path.read_bytes(), dtype=np.uint8)
    rng = np.random.default_rng(5)
    for _ in range(40):
        changed_content = content.copy()
        places = rng.integers(0, len(content), rng.integers(1, 200))
        changed_content[places] = rng.integers(0, 256, len(places))
        path.write_bytes(changed_content.tobytes())
        faults(path)
        with suppress(HistoryError), Store(path) as store:
            assert store.model(1) == some_model(0)


@pytest.mark.parametrize(
    "content", [b"some text\n" * 500, b"\0", b"SQLite format 3\0" + b"\xff" * 5000, b"PK\3\4" * 999]
)
def test_a_file_that_is_no_database(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "plans.db"
    path.write_bytes(content)
    refused(lambda: Store(path))
    assert path.read_bytes() == content


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", Path("/dev/null"), tmp_path / "not" / "there.db", tmp_path / "a\0b"):
        refused(lambda path=path: Store(path))  # type: ignore[misc]


def test_an_empty_file_becomes_a_store(tmp_path: Path) -> None:
    path = tmp_path / "plans?x=1#%20.db"
    path.touch()
    with Store(path) as store:
        store.record(past_solve(), some_model(), sketch_of(0))
        assert len(store.sketches(None)) == 1
    assert path.stat().st_size


@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_another_database_is_not_touched(tmp_path: Path, journal: str) -> None:
    path = tmp_path / "theirs.db"
    with closing(sqlite3.connect(tmp_path / "open.db")) as connection, connection:
        for statement in (f"PRAGMA journal_mode={journal}", "CREATE TABLE theirs (x)", "INSERT INTO theirs VALUES (1)"):
            connection.execute(statement)
        connection.commit()
        for file in tmp_path.glob("open.db*"):  # as a killed process leaves it
            (tmp_path / file.name.replace("open", "theirs")).write_bytes(file.read_bytes())
    content = {file: file.read_bytes() for file in tmp_path.glob("theirs*")}
    assert len(content) == (3 if journal == "wal" else 1)
    assert "another or a damaged database" in refused(lambda: Store(path))
    assert {file: file.read_bytes() for file in tmp_path.glob("theirs*")} == content


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("DROP TABLE nnsearch_history", "another database"),
        (NEWER, "format 2, got 3; install a newer nnsearch"),
        ("UPDATE nnsearch_history SET format = 0", "format 2, got"),
        ("INSERT INTO nnsearch_history VALUES (7)", "format 2, got"),
        ("DELETE FROM nnsearch_history", "format 2, got"),
        ("DROP TABLE nnsearch_solutions", "nnsearch_solutions"),
        ("CREATE TABLE theirs (x)", "theirs"),
        ("CREATE VIEW theirs AS SELECT 1", "theirs"),
        ("CREATE TRIGGER harm AFTER INSERT ON nnsearch_solves BEGIN DELETE FROM nnsearch_models; END", "harm"),
        ("ALTER TABLE nnsearch_solves RENAME COLUMN sketch TO other", "columns"),
    ],
)
def test_other_tables_are_refused_and_not_written_to(path: Path, statement: str, reason: str) -> None:
    changed(path, statement)
    content = path.read_bytes()
    assert reason in refused(lambda: Store(path))
    assert path.read_bytes() == content


def test_a_view_in_the_place_of_a_table_is_refused(path: Path) -> None:
    changed(path, "ALTER TABLE nnsearch_history RENAME TO x", "CREATE VIEW nnsearch_history AS SELECT 1 AS format")
    refused(lambda: Store(path))


ZEROS = zstandard.ZstdCompressor().compress(bytes(10**6))
UNKNOWN = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(10**6))
BOMB = b"\x28\xb5\x2f\xfd\xe0" + (1 << 40).to_bytes(8, "little") + ZEROS[9:]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE nnsearch_models SET content = :bomb, size = 1 << 40",
        "UPDATE nnsearch_models SET content = :bomb",
        "UPDATE nnsearch_models SET content = :unknown",
        "UPDATE nnsearch_models SET content = :zeros",
        "UPDATE nnsearch_models SET content = :zeros, size = 1000000",
        "UPDATE nnsearch_models SET content = 'abc'",
        "UPDATE nnsearch_models SET size = -1",
        "UPDATE nnsearch_models SET base = number",
        "UPDATE nnsearch_models SET base = 2 WHERE number = 3",
        "UPDATE nnsearch_models SET base = 99",
        "UPDATE nnsearch_models SET content = (SELECT content FROM nnsearch_models WHERE number = 2) WHERE number = 3",
        "UPDATE nnsearch_shapes SET variables = 1 << 60",
        "UPDATE nnsearch_shapes SET variables = 19",
        "UPDATE nnsearch_shapes SET variables = -1",
        "UPDATE nnsearch_shapes SET names = :bomb, size = 1 << 40",
        "UPDATE nnsearch_shapes SET names = :zeros, size = 1000000, variables = 250000",
        "UPDATE nnsearch_shapes SET digest = 'abc'",
        "UPDATE nnsearch_solutions SET content = X'08' || :bomb",
        "UPDATE nnsearch_solutions SET content = X'03' || :zeros",
        "UPDATE nnsearch_solutions SET content = X''",
        "UPDATE nnsearch_solutions SET objectives = X'00'",
        "DELETE FROM nnsearch_solutions",
        "UPDATE nnsearch_solves SET solutions = 1 << 60",
        "UPDATE nnsearch_solves SET solutions = 'two'",
        "UPDATE nnsearch_solves SET status = 'MAYBE'",
        "UPDATE nnsearch_solves SET created = 'yesterday'",
        "UPDATE nnsearch_solves SET family = X'ff'",
        "UPDATE nnsearch_solves SET family = CAST(X'ff' AS TEXT)",
        "UPDATE nnsearch_solves SET sketch = X'0102'",
        "UPDATE nnsearch_solves SET objective = 'large'",
    ],
)
def test_rows_that_hold_something_else_are_refused(path: Path, statement: str) -> None:
    changed(path, statement, bomb=BOMB, unknown=UNKNOWN, zeros=ZEROS)
    assert faults(path)


def test_what_is_too_large_or_no_text_is_not_recorded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store(path) as store:
        for word in ("a\0b", "\ud800"):
            refused(lambda word=word: store.record(past_solve(family=word), b"", sketch_of(0)))  # type: ignore[misc]
        monkeypatch.setattr("nnsearch.history.store.MOST_BYTES", 10_000)
        refused(lambda: store.record(past_solve(), bytes(10_001), sketch_of(0)))
        refused(lambda: store.record(past_solve(variables=1000), b"", sketch_of(0)))
        assert len(store.solves()) == 3


def test_a_model_that_resembles_another_is_kept_as_the_difference(path: Path) -> None:
    numbers_and_bases = "SELECT number, base FROM nnsearch_models"
    with closing(sqlite3.connect(path)) as connection:
        kept = connection.execute("SELECT base, length(content), size FROM nnsearch_models").fetchall()
    assert [base for base, _, _ in kept] == [None, 1, 1]
    assert all(length < size / 20 for _, length, size in kept[1:])
    with Store(path) as store:
        store.record(past_solve(3), np.random.default_rng(3).bytes(500), sketch_of(3))  # resembles nothing
        assert store.prune(2, None) == 2
        assert store.model(3) == some_model(2)
        assert [summary.number for summary in store.solves()] == [4, 3]
    with closing(sqlite3.connect(path)) as connection:
        assert sorted(connection.execute(numbers_and_bases)) == [(1, None), (3, 1), (4, None)]
    with Store(path) as store:
        store.prune(1, None)
    with closing(sqlite3.connect(path)) as connection:
        assert sorted(connection.execute(numbers_and_bases)) == [(4, None)]


def test_a_base_that_is_removed_in_between(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store(path) as store, Store(path) as other:
        reading = store._latest_base

        def removing(*arguments: object) -> object:
            base = reading(*arguments)  # type: ignore[arg-type]
            monkeypatch.setattr(store, "_latest_base", reading)
            removed.append(base)
            return base

        removed: list[object] = []
        monkeypatch.setattr(store, "_latest_base", removing)
        adding = store._database.adding
        monkeypatch.setattr(store._database, "adding", lambda: (other.prune(0, None), adding())[1])
        number = store.record(past_solve(5), some_model(5), sketch_of(5))
        assert removed[0] is not None
        assert store.model(number) == some_model(5)


def test_space_is_given_back(tmp_path: Path) -> None:
    path = tmp_path / "plans.db"
    with Store(path) as store:
        for number in range(3):
            store.record(past_solve(number), np.random.default_rng(number).bytes(200_000), sketch_of(number))
        store.prune(1, None)
        assert path.stat().st_size < 300_000


def test_a_store_that_others_write_to(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_file, "BUSY_SECONDS", 0.1)
    with Store(path) as store, closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert "try again" in refused(lambda: store.record(past_solve(), some_model(), sketch_of(0)))
        assert same(store.load(1), past_solve(0))
        other.execute("ROLLBACK")
        store.record(past_solve(), some_model(), sketch_of(0))


def in_a_process(function: Callable[[], object]) -> object:
    """Return what a function returns in a process of its own."""
    receiver, sender = FORK.Pipe(duplex=False)
    process = FORK.Process(target=lambda: sender.send(function()))
    process.start()
    sender.close()
    returned = receiver.recv()
    process.join()
    return returned


@pytest.mark.parametrize("folder_mode", [0o755, 0o555])
def test_a_read_only_store_can_be_read(path: Path, folder_mode: int) -> None:
    def read() -> list[str]:
        os.chdir("/")
        if os.getuid() == 0:
            os.setuid(65534)  # root may write everywhere
        return [line.partition(": ")[2].partition(",")[0] for line in faults(copy)]

    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "plans.db"
        copy.write_bytes(path.read_bytes())
        copy.chmod(0o444)
        Path(folder).chmod(folder_mode)
        lines = in_a_process(read)
        Path(folder).chmod(0o755)
    assert lines == ["expected a history that can be written"] * 2  # to record, to prune


def test_a_full_disk_keeps_what_was_recorded(path: Path) -> None:
    def fill() -> list[int]:
        numbers: list[int] = []
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
        with suppress(HistoryError), Store(path) as store:
            while len(numbers) < 1000:
                numbers.append(store.record(past_solve(9), os.urandom(9000), sketch_of(9)))
        return numbers

    numbers = in_a_process(fill)
    assert isinstance(numbers, list)
    assert 0 < len(numbers) < 1000
    with Store(path) as store:
        for number in numbers:
            assert same(store.load(number), past_solve(9))
            assert len(store.model(number)) == 9000


def test_a_location_that_is_none() -> None:
    for url in (
        "mysql://root:pass-word@host/x",
        "postgresql+asyncpg://u:pass-word@h/x",
        "a://b://c",
        "postgresql://u:x@h:port/x",
    ):
        refused(lambda url=url: Store(url))  # type: ignore[misc]


def test_a_missing_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    assert "pip install '.[postgres]'" in refused(lambda: Store("postgresql://user:pass-word@localhost/plans"))


def test_a_server_that_is_not_there() -> None:
    pytest.importorskip("psycopg")
    line = refused(lambda: Store("postgresql://user:pass-word@127.0.0.1:1/plans?application_name=x"))
    assert line.startswith("postgresql://user:***@127.0.0.1:1/plans: expected a database that answers")


def test_a_wrong_password(postgres: str) -> None:
    if "pass-word" not in postgres:
        pytest.skip("the server of NNSEARCH_POSTGRES has other passwords")
    for url in (postgres.replace("pass-word", "pass-wort"), postgres.replace(":pass-word", "") + "&password=pass-wort"):
        line = refused(lambda url=url: Store(url))  # type: ignore[misc]
        assert "password authentication failed" in line
        assert "pass-wort" not in line


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        (NEWER, "install a newer nnsearch"),
        (
            "ALTER TABLE nnsearch_history RENAME TO x; CREATE VIEW nnsearch_history AS SELECT 1 AS format",
            "nnsearch_history",
        ),
        ("CREATE RULE harm AS ON INSERT TO nnsearch_solves DO ALSO DELETE FROM nnsearch_history", "nnsearch_solves"),
        ("ALTER TABLE nnsearch_history RENAME TO x", "another database"),
        ("ALTER TABLE nnsearch_solves RENAME COLUMN sketch TO other", "columns"),
    ],
)
def test_other_tables_on_a_server_are_refused(on_server: str, statement: str, reason: str) -> None:
    import psycopg

    Store(on_server).close()
    with psycopg.connect(on_server) as connection:
        connection.execute(statement.encode())
    assert reason in refused(lambda: Store(on_server))


def test_a_user_of_a_server_who_may_only_read(on_server: str) -> None:
    import psycopg

    with Store(on_server) as store:
        store.record(past_solve(), some_model(), sketch_of(0))
    with Store(f"{on_server}%20-cdefault_transaction_read_only%3Don") as store:
        assert same(store.load(1), past_solve())
        assert "read-only" in refused(lambda: store.record(past_solve(), some_model(), sketch_of(0)))
    with psycopg.connect(on_server) as connection:  # tables of others stand beside them
        connection.execute("CREATE TABLE theirs (x int)")
    Store(on_server).close()


def test_a_server_that_ends_a_connection_is_asked_again(on_server: str) -> None:
    import psycopg

    with Store(f"{on_server}&application_name=ended") as store:
        store.record(past_solve(), some_model(), sketch_of(0))
        with psycopg.connect(on_server) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ended'"
            )
        assert same(store.load(1), past_solve())


def test_a_server_on_which_others_hold_what_is_needed(on_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import psycopg

    monkeypatch.setattr(database, "BUSY_SECONDS", 0.1)
    with Store(on_server) as store, psycopg.connect(on_server) as other:
        other.execute("LOCK TABLE nnsearch_models")
        assert "try again" in refused(lambda: store.record(past_solve(), some_model(), sketch_of(0)))
        other.rollback()
        store.record(past_solve(), some_model(), sketch_of(0))
