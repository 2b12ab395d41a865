"""Processes that are kept from one :func:`nnsearch.solve_many` to the next."""

from __future__ import annotations

import weakref
from contextlib import AbstractContextManager, suppress

from nnsearch.errors import ConfigError
from nnsearch.many.search_process import SearchProcess


class SearchProcesses(AbstractContextManager["SearchProcesses"]):
    """Processes that search for one :func:`nnsearch.solve_many` after another; each call alone would start its own.

    That takes about a second, which short calls can save:

    ```python
    with nnsearch.SearchProcesses(2) as processes:
        for models in batches:
            for solved in nnsearch.solve_many(models, "bp", processes=processes):
                ...
    ```

    They start with the first search, serve any scorer and any options, and wait between the calls without using a
    processor. A call that ends early, by an error, Ctrl-C or the caller, takes those with it that have not finished;
    the next call replaces them. All end with the ``with`` block, or else with this object or the program.

    Args:
        processes: how many.

    Raises:
        ConfigError: the number is not 1 or more.
    """

    def __init__(self, processes: int) -> None:
        if not isinstance(processes, int) or processes < 1:
            raise ConfigError(f"processes: expected an integer of 1 or more, got {processes!r}")
        self.number = processes
        self._free: list[SearchProcess] = []
        self._end = weakref.finalize(self, _close, self._free)

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End them; a call that still uses some ends those itself."""
        self._end()

    def check_open(self) -> None:
        """Raise a ``ConfigError`` if they were ended."""
        if not self._end.alive:
            raise ConfigError("processes: expected SearchProcesses that are open, got closed ones; make new ones")

    def lend(self) -> list[SearchProcess]:
        """Return those that are free and still run. They are the borrower's to close, or to give back."""
        lent: list[SearchProcess] = []
        with suppress(IndexError):
            while True:  # one by one: another thread may borrow, too
                process = self._free.pop()
                if process.process.poll() is None:
                    lent.append(process)
                else:  # killed between two calls, perhaps before it had ever spoken
                    process.close()
        return lent

    def take_back(self, process: SearchProcess) -> None:
        """Keep a process for the next call, or end it: if it is busy, one too many, or these are closed."""
        if self._end.alive and process.is_free and len(self._free) < self.number:
            self._free.append(process)
        else:
            process.close()


def _close(processes: list[SearchProcess]) -> None:
    while processes:
        processes.pop().close()
