"""A connection between two processes, and memory that both see for the arrays of their messages."""

from __future__ import annotations

import mmap
import os
import pickle
import tempfile
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe
from typing import Any

_ALIGNMENT = 64


class Channel:
    """One end of a connection.

    Args:
        connection: carries the messages.
        written: descriptor of the nameless file for the arrays that this end sends.
        read: descriptor of that for those which the other end sends.
    """

    def __init__(self, connection: Connection, written: int, read: int) -> None:
        self._connection = connection
        self._written, self._read = _Memory(written), _Memory(read)
        self.is_whole = True
        """No message was torn by an exception, such as that of a second Ctrl-C."""

    @classmethod
    def pair(cls) -> tuple[Channel, tuple[Connection, int, int]]:
        """Return one end, and the arguments of the other, whose descriptors another process may inherit."""
        here, there = Pipe()
        written, read = _nameless_file(), _nameless_file()
        return cls(here, written, read), (there, read, written)

    def fileno(self) -> int:
        """Return the descriptor by which the system tells that there is a message."""
        return self._connection.fileno()

    def send(self, message: object, *, by_memory: bool = False) -> None:
        """Send a message.

        Args:
            message: what can be pickled.
            by_memory: its arrays go through the memory: the receiver's look into it, and change at the next such send.
        """
        arrays: list[pickle.PickleBuffer] = []
        data = pickle.dumps(message, 5, buffer_callback=arrays.append if by_memory else None)
        self.is_whole = False
        self._connection.send((data, self._written.put([array.raw() for array in arrays])))
        self.is_whole = True

    def receive(self) -> Any:
        """Return the next message.

        Raises:
            EOFError: the other end is closed.
        """
        self.is_whole = False
        data, places = self._connection.recv()
        message = pickle.loads(data, buffers=self._read.get(places))
        self.is_whole = True
        return message

    def close(self) -> None:
        """Let everything go."""
        for resource in (self._connection, self._written, self._read):
            with suppress(OSError):
                resource.close()


class _Memory:
    """One writer's bytes, seen by one reader."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._map: mmap.mmap | None = None

    def put(self, parts: list[memoryview]) -> list[tuple[int, int]]:
        """Write; return where each part begins and ends."""
        places: list[tuple[int, int]] = []
        end = 0
        for part in parts:
            places.append((end, end + part.nbytes))
            end += -(-max(part.nbytes, 1) // _ALIGNMENT) * _ALIGNMENT
        if end > os.fstat(self._descriptor).st_size:
            os.ftruncate(self._descriptor, 2 * end)
        for place, part in zip(self.get(places), parts, strict=True):
            place[:] = part
        return places

    def get(self, places: list[tuple[int, int]]) -> list[memoryview]:
        """Return the parts, valid until the writer's next :meth:`put`."""
        if not places:
            return []
        size = os.fstat(self._descriptor).st_size
        if self._map is None or size != len(self._map):
            self._map = mmap.mmap(self._descriptor, size)  # the old map goes with the last array that looks into it
        whole = memoryview(self._map)
        return [whole[start:end] for start, end in places]

    def close(self) -> None:
        self._map = None
        os.close(self._descriptor)


def _nameless_file() -> int:
    """Return the descriptor of a file in memory, where the system has that; it goes with its last user."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("nnsearch")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
