"""The connection to a Ray cluster, one that runs already or one on this machine."""

from __future__ import annotations

import logging
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nnsearch.errors import ConfigError

_SECONDS = 5.0
_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
"""How a gRPC client begins: the preface of HTTP/2 and empty settings, to which a server answers with its own."""

_SETTINGS = 4  # the type of that frame, byte 3 of the answer


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """Connect to a Ray cluster; the body gets the module ``ray``.

    A connection that the program has already is used, and left open.

    Args:
        address: ``HOST:PORT`` of a cluster that this machine is part of (``ray start --address HOST:PORT``); or
            ``auto``: the one that ``RAY_ADDRESS`` names, else the one that runs on this machine, else a new one on this
            machine, which ends with the body.

    Raises:
        ConfigError: Ray is not installed, or there is no cluster at this address.
    """
    try:
        import ray
    except ImportError:
        raise ConfigError("--ray needs Ray; in the clone: pip install '.[ray]'") from None
    if ray.is_initialized():
        yield ray
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    try:
        chosen = address
        if address == "auto":
            chosen = os.environ.get("RAY_ADDRESS") or _running_here() or "local"
        if chosen == "local":
            ray.init(address="local", include_dashboard=False, **quiet)
        else:
            check_address(chosen)
            ray.init(address=chosen, **quiet)
    except (ConnectionError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ConfigError(
            f"--ray {address}: expected a Ray cluster that this machine is part of, got: {reason}"
        ) from None
    try:
        yield ray
    finally:
        ray.shutdown()


def _running_here() -> str | None:
    """Return the address of the cluster that this machine is part of, None without one."""
    from ray._private.services import canonicalize_bootstrap_address

    try:
        found: str = canonicalize_bootstrap_address("auto")
        check_address(found)
    except (ConnectionError, ConfigError):  # none, or what a killed one left behind, for which Ray waits for minutes
        return None
    return found


def check_address(address: str) -> None:
    """Refuse an address where no Ray answers; Ray itself would try for minutes, and say nothing but warnings.

    Raises:
        ConfigError: nothing listens there, or something else does.
    """
    match = re.fullmatch(r"(.+):(\d{1,5})", address)
    if match is None or "/" in address:
        raise ConfigError(f"--ray: expected auto, or HOST:PORT of a Ray cluster, got {address!r}")
    host, port = match[1].strip("[]"), int(match[2])
    try:
        with socket.create_connection((host, port), timeout=_SECONDS) as connection:
            connection.settimeout(_SECONDS)
            connection.sendall(_HELLO)
            answer = connection.recv(9)
    except (OSError, OverflowError) as error:
        raise ConfigError(f"--ray {address}: expected a Ray cluster there, got: {error}") from None
    if len(answer) < 9 or answer[3] != _SETTINGS:
        raise ConfigError(f"--ray {address}: expected a Ray cluster there, got another service")
