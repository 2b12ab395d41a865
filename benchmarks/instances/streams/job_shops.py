"""Job shops whose durations change, to which jobs come, from which jobs go, or in which a machine is out of order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random

from benchmarks.instances.streams.stream import Stream, about, files, given
from benchmarks.instances.zoo.shops import JobShop, job_shop_model
from nnsearch.errors import InstanceError

SHOPS = 12
"""How many shops a kind has: the largest ones of a folder."""

_GENERATED = ((10, 10), (15, 15), (20, 15), (20, 20), (50, 15))

Change = Callable[[JobShop, Random], JobShop]


def job_shop_streams(kind: str, folder: Path | None, change: Change) -> list[Stream[JobShop]]:
    """Return a stream for each of the shops."""
    read = [(path.stem, read_job_shop(path)) for path in files(folder, "job-shop", ".txt")]
    if read:
        largest = sorted(read, key=lambda shop: -sum(map(len, shop[1].jobs.values())))[:SHOPS]
        return [Stream(f"{kind}/{name}", given(shop), change, job_shop_model) for name, shop in largest]
    made = []
    for number in range(SHOPS):
        jobs, machines = _GENERATED[number % len(_GENERATED)]
        name = f"{kind}/{jobs}x{machines}-{number // len(_GENERATED) + 1}"
        made.append(Stream(name, partial(random_job_shop, jobs, machines), change, job_shop_model))
    return made


def random_job_shop(jobs: int, machines: int, rng: Random) -> JobShop:
    """Return a shop after Taillard (1993): every job visits all machines in random order, for 1 to 99 each time."""
    return JobShop(machines, {j: _random_job(range(machines), 1, 99, rng) for j in range(jobs)})


def read_job_shop(path: Path) -> JobShop:
    """Read a file of JSPLIB: after comments the numbers of jobs and machines, then of each job machines and times.

    Raises:
        InstanceError: it is not one.
        OSError: it cannot be read.
    """
    lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    try:
        (jobs, machines), *rows = [list(map(int, words)) for words in lines if words]
        shop = {j: list(zip(row[::2], row[1::2], strict=True)) for j, row in enumerate(rows)}
    except ValueError:
        raise _not_a_shop(path, "other words") from None
    if len(shop) != jobs or not all(0 <= m < machines and time >= 0 for job in shop.values() for m, time in job):
        raise _not_a_shop(path, f"{len(shop)} jobs, or a machine or a time out of range")
    return JobShop(machines, shop)


def change_durations(shop: JobShop, rng: Random) -> JobShop:
    """All durations differ by up to a tenth."""
    return replace(shop, jobs={j: [(m, about(time, 0.1, rng)) for m, time in job] for j, job in shop.jobs.items()})


def add_jobs(shop: JobShop, rng: Random) -> JobShop:
    """A tenth more jobs."""
    jobs = dict(shop.jobs)
    times = [time for job in shop.jobs.values() for _, time in job]
    for number in range(max(1, round(len(shop.jobs) / 10))):
        route = [machine for machine, _ in rng.choice(list(shop.jobs.values()))]
        jobs[max(shop.jobs) + 1 + number] = _random_job(route, min(times), max(times), rng)
    return replace(shop, jobs=jobs)


def cancel_jobs(shop: JobShop, rng: Random) -> JobShop:
    """A tenth fewer jobs."""
    gone = rng.sample(sorted(shop.jobs), max(1, round(len(shop.jobs) / 10)))
    return replace(shop, jobs={j: job for j, job in shop.jobs.items() if j not in gone})


def close_a_machine(shop: JobShop, rng: Random) -> JobShop:
    """Another machine is out of order, for a tenth to a fifth of the time in which the shop could be done at best."""
    load = [0] * shop.machines
    for job in shop.jobs.values():
        for machine, time in job:
            load[machine] += time
    least = max(*load, *(sum(time for _, time in job) for job in shop.jobs.values()))
    begin = rng.randint(least // 10, 6 * least // 10)
    return replace(shop, closed=[(rng.randrange(shop.machines), (begin, begin + rng.randint(least // 10, least // 5)))])


def _random_job(machines: range | list[int], fewest: int, most: int, rng: Random) -> list[tuple[int, int]]:
    return [(machine, rng.randint(fewest, most)) for machine in rng.sample(machines, len(machines))]


def _not_a_shop(path: Path, got: str) -> InstanceError:
    return InstanceError(
        f"{path}: expected a job shop of JSPLIB (numbers of jobs and machines, then a line of machines and times for "
        f"each job), got {got}"
    )
