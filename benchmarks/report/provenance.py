"""What was run, where, and with which commit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.records import Record
from benchmarks.rendering.parts import Table, TableRow

_COMMIT = 7


def summary(records: Sequence[Record]) -> str:
    """Return the facts in one sentence."""
    suites = dict.fromkeys(str(record["config"].get("suite", "?")) for record in records)
    places = dict.fromkeys(_machine(record) for record in records)
    days = sorted(str(record["environment"].get("time", ""))[:10] for record in records)
    when = days[0] if days[0] == days[-1] else f"{days[0]} to {days[-1]}"
    commits = _commits(records)
    return (
        f"{len(records):,} results of {len(suites)} suites, measured {when} on {'; '.join(places)}, "
        f"at {'commit' if len(commits) == 1 else 'commits'} {', '.join(commits)}."
    )


def provenance_table(files: Mapping[Path, Sequence[Record]]) -> Table:
    """Return a row for each suite in each file."""
    rows = []
    for path, records in files.items():
        suites = dict.fromkeys(str(record["config"].get("suite", "?")) for record in records)
        for suite in suites:
            same = [record for record in records if str(record["config"].get("suite", "?")) == suite]
            times = sorted(str(record["environment"].get("time", "?"))[:16].replace("T", " ") for record in same)
            networks = dict.fromkeys(
                f"{record['config']['model']} {record['config'].get('model_sha256', '')}".strip()
                for record in same
                if "model" in record["config"]
            )
            rows.append(
                TableRow(
                    [
                        suite,
                        path.name,
                        len(same),
                        ", ".join(_commits(same)),
                        ", ".join(dict.fromkeys(_machine(record) for record in same)),
                        ", ".join(dict.fromkeys(_versions(record) for record in same)),
                        ", ".join(networks) or None,
                        times[0],
                        times[-1],
                    ]
                )
            )
    return Table(
        "What was run, where, with which commit",
        ["suite", "file", "results", "commit", "machine", "versions", "networks (digest)", "first", "last (UTC)"],
        rows,
        "A commit with a + had changed files when it was measured.",
    )


def _commits(records: Sequence[Record]) -> list[str]:
    found: dict[str, None] = {}
    for record in records:
        where = record["environment"]
        found[f"{str(where.get('commit', 'unknown'))[:_COMMIT]}{'+' if where.get('dirty') else ''}"] = None
    return list(found)


def _machine(record: Record) -> str:
    where = record["environment"]
    return f"{where.get('processor', 'an unknown processor')} ({where.get('cpus', '?')} CPUs)"


def _versions(record: Record) -> str:
    return ", ".join(f"{name} {version}" for name, version in (record["environment"].get("versions") or {}).items())
