"""Measured results as JSON lines: the only thing that tables and plots are made from.

A line is an object of three objects. ``config`` is what was measured, down to seed, limits and the digest of the
network's file; it is the identity of the line, and a suite that is run again skips what the file already holds.
``result`` is what came out. ``environment`` says where: commit, versions, processor, threads, time.

A line is written whole, as soon as it is measured. A killed run leaves at most its last line incomplete, which the next
run drops. On many machines (Ray) one process writes, and lines are in the order in which results arrive.
"""

from __future__ import annotations

import functools
import json
import os
import platform
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypedDict, TypeVar

import onnxruntime
from tqdm import tqdm

import nnsearch
from nnsearch.errors import NNSearchError
from training.running.fan_out import ONE_CPU, Needs, fan_out
from training.running.side_by_side import side_by_side

T = TypeVar("T")

_ROOT = Path(__file__).resolve().parents[1]


class RecordError(NNSearchError):
    """A file of results is not one."""


class Record(TypedDict):
    """One line of a results file."""

    config: dict[str, Any]
    result: dict[str, Any]
    environment: dict[str, Any]


@dataclass(frozen=True)
class Job:
    """One result to measure.

    Attributes:
        config: what is measured, JSON values only; two jobs with equal configs are the same.
        measure: measures it; returns the ``result`` of the record, JSON values only. With Ray it is pickled (by
            cloudpickle, closures too), and has to warm up what is slow the first time in a process.
        needs: what it needs of a machine.
    """

    config: dict[str, Any]
    measure: Callable[[], dict[str, Any]]
    needs: Needs = ONE_CPU

    @property
    def key(self) -> str:
        """The config as canonical text."""
        return _key(self.config)


def run_jobs(
    path: Path,
    jobs: Sequence[Job],
    *,
    threads: int,
    fresh: bool = False,
    ray: str | None = None,
    processes: int = 1,
) -> list[Record]:
    """Measure what the file does not hold yet, appending each result at once; return the records in the jobs' order.

    Args:
        path: the results file; it is created, with its folder, when it is not there.
        jobs: what to measure, in this order; repeated ones are measured once.
        threads: CPU threads that the measured code may use, for the records.
        fresh: first remove the lines of these jobs from the file; other lines stay.
        ray: a Ray cluster to measure on, see :func:`training.running.fan_out.fan_out`; None is this machine.
        processes: how many jobs at a time on this machine; jobs in several processes are pickled.

    Raises:
        RecordError: the file is not one of records.
        OSError: the file cannot be written.
        NNSearchError: a job fails, or Ray does.
    """
    wanted = {job.key: job for job in jobs}
    path.parent.mkdir(parents=True, exist_ok=True)
    known = {_key(record["config"]): record for record in read_records(path)}
    if fresh:
        known = {key: record for key, record in known.items() if key not in wanted}
    _rewrite(path, known.values())
    with path.open("a", encoding="utf-8") as file:
        todo = [job for job in wanted.values() if job.key not in known]
        measure = functools.partial(_measure, threads=threads)
        several = side_by_side(measure, todo, processes) if ray is None and processes > 1 else None
        with closing(several or fan_out(measure, todo, ray=ray, needs=lambda job: job.needs)) as measured:
            for job, record in tqdm(measured, total=len(todo), disable=None, unit=" results"):
                file.write(json.dumps(record, allow_nan=False) + "\n")
                file.flush()
                known[job.key] = record
    # Through JSON, so that a fresh record reads like one from the file.
    records: list[Record] = json.loads(json.dumps([known[key] for key in wanted]))
    return records


def read_records(path: Path) -> list[Record]:
    """Read a results file; a missing file is empty, and an incomplete last line is left out.

    Raises:
        RecordError: another line is not a record; the message names file and line.
        OSError: the file cannot be read.
    """
    if not path.exists():
        return []
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError:
        raise RecordError(f"{path}: expected a text file of JSON lines; choose another --output") from None
    records: list[Record] = []
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if not isinstance(record, dict) or not all(isinstance(record.get(k), dict) for k in Record.__annotations__):
            if number == len(lines):  # no newline at its end: the run that wrote it was killed
                continue
            raise RecordError(
                f"{path}:{number}: expected a JSON object with {', '.join(Record.__annotations__)}, got {line[:40]!r}; "
                "remove the line, and what it held is measured again"
            )
        records.append(Record(config=record["config"], result=record["result"], environment=record["environment"]))
    return records


def distinct(records: Iterable[Record]) -> list[Record]:
    """Return the last record of each config: the same measurement may stand in two files that share a baseline."""
    return list({_key(record["config"]): record for record in records}.values())


def grouped(records: Iterable[Record], of: Callable[[Record], T]) -> list[tuple[T, list[Record]]]:
    """Return the values of records, which need not be hashable, in order of appearance, and the records of each."""
    groups: list[tuple[T, list[Record]]] = []
    for record in records:
        value = of(record)
        same = next((group for other, group in groups if other == value), None)
        if same is None:
            groups.append((value, [record]))
        else:
            same.append(record)
    return groups


def environment(threads: int) -> dict[str, Any]:
    """Return where a measurement runs: commit, versions, processor, threads."""
    commit, dirty = _commit()
    return {
        "commit": commit,
        "dirty": dirty,
        "versions": {
            "nnsearch": nnsearch.__version__,
            "ortools": version("ortools"),
            "onnxruntime": onnxruntime.__version__,
            "numpy": version("numpy"),
            "python": platform.python_version(),
        },
        "processor": _processor(),
        "cpus": os.cpu_count(),
        "threads": threads,
    }


def _measure(job: Job, threads: int) -> Record:
    """Measure a job, on whatever machine this is."""
    result = job.measure()
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Record(config=job.config, result=result, environment={**_here(threads), "time": now})


@functools.cache
def _here(threads: int) -> dict[str, Any]:
    """Ask for the environment once in a process: git takes longer than many a measurement."""
    return environment(threads)


def _key(config: Mapping[str, Any]) -> str:
    return json.dumps(config, sort_keys=True)


def _rewrite(path: Path, records: Iterable[Record]) -> None:
    """Replace the file in one step when its text differs from these records."""
    text = "".join(json.dumps(record) + "\n" for record in records)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        temporary = path.with_name(path.name + ".tmp")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)


def _commit() -> tuple[str, bool | None]:
    """Return the commit, and whether files differ from it (results aside); ``("unknown", None)`` outside git."""
    # No optional locks: a measurement never touches the index.
    git = ["git", "--no-optional-locks", "-C", str(_ROOT)]
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
        status = [*git, "status", "--porcelain", "--", ".", ":(exclude)benchmarks/results"]
        changes = subprocess.run(status, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown", None
    return head.stdout.strip(), bool(changes.stdout.strip())


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
