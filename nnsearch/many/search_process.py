"""One process that searches, seen from the one that has the network."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TextIO, cast

from nnsearch.many.channel import Channel
from nnsearch.many.gathering import GatherCount
from nnsearch.many.messages import Report, Setup
from nnsearch.scorers.network import DirectEncoding

# What multiprocessing starts would import the user's script once more, which then needs a guard.
_START = """
import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the other one decides
import json, sys
paths, descriptors = json.loads(sys.stdin.readline())
sys.path[:] = paths
from nnsearch.many.worker import main
main(*descriptors)
"""


@dataclass(eq=False)
class SearchProcess:
    """One process.

    Attributes:
        process: as the system knows it.
        channel: to it.
        searches: those it has, by index, with what says that they shall end.
        room: how many more it could start, while it waits for orders; else None.
        count: its costs when it last said them, of the searches since it was last set up.
        has_spoken: whether it ever did; one that ends before cannot search here at all.
        prepared: the models that were prepared for it, by number.
    """

    process: subprocess.Popen[str]
    channel: Channel
    searches: dict[int, Callable[[], bool]] = field(default_factory=dict)
    room: int | None = None
    count: GatherCount = field(default_factory=GatherCount)
    has_spoken: bool = False
    prepared: dict[int, DirectEncoding] = field(default_factory=dict)
    _unanswered: int = 0  # setups that it has not reported on

    @classmethod
    def start(cls) -> SearchProcess:
        """Start one; it waits for a :class:`Setup`."""
        channel, (there, *memories) = Channel.pair()
        descriptors = [there.fileno(), *memories]
        process = subprocess.Popen(
            [sys.executable, "-c", _START], stdin=subprocess.PIPE, pass_fds=descriptors, text=True
        )
        there.close()
        paths = [path for path in sys.path if isinstance(path, str)]
        with suppress(OSError), cast(TextIO, process.stdin) as line:  # as in send()
            line.write(json.dumps([paths, descriptors]) + "\n")
        return cls(process, channel)

    @property
    def is_free(self) -> bool:
        """Whether it can be set up for other searches: it has none, and hears and speaks."""
        return not self.searches and self.channel.is_whole

    def set_up(self, setup: Setup) -> None:
        """Tell it what the next searches are like."""
        self.room, self.count = None, GatherCount()
        self.prepared.clear()
        self._unanswered += 1
        self.send(setup)

    def take_note(self, report: Report) -> None:
        """Take note of a report, if it knew of the last setup when it sent that."""
        self.has_spoken = True
        self._unanswered = max(0, self._unanswered - 1)
        if not self._unanswered:
            self.room, self.count = report.room, report.count
            for number in report.released:
                self.prepared.pop(number, None)

    def send(self, message: object, *, by_memory: bool = False) -> None:
        """Send a message; if the process died, the next look for one of its own finds that out."""
        with suppress(OSError):
            self.channel.send(message, by_memory=by_memory)

    def close(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.wait()
        self.channel.close()
