from __future__ import annotations

import os
import socket
import sys
import threading
import time

import pytest

from nnsearch.errors import ConfigError
from training.running import ray_cluster
from training.running.fan_out import fan_out
from training.running.ray_cluster import connected

pytestmark = pytest.mark.slow


def test_without_ray_installed_there_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"^--ray needs Ray; in the clone: pip install '\.\[ray\]'$"):
        list(fan_out(str, [1], ray="auto"))


@pytest.mark.parametrize("address", ["nonsense", "ray://127.0.0.1:10001", "127.0.0.1", "127.0.0.1:123456"])
def test_what_is_no_address_is_refused(address: str) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install '.[ray]'")
    with pytest.raises(ConfigError, match="--ray: expected auto, or HOST:PORT of a Ray cluster, got "):
        ray_cluster.check_address(address)


@pytest.mark.parametrize("answer", [None, b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00"])
def test_an_address_without_ray_is_refused_soon(answer: bytes | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing listens there; or something that hangs up, is no Ray, or says nothing more."""
    monkeypatch.setattr(ray_cluster, "_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"

        def serve(reply: bytes) -> None:
            connection, _ = server.accept()
            connection.sendall(reply)
            if len(reply) != 1:
                connection.close()
            else:
                time.sleep(0.6)

        if answer is None:
            server.close()
        else:
            threading.Thread(target=serve, args=(answer,)).start()
        with pytest.raises(ConfigError, match=f"--ray {address}: expected a Ray cluster there, got") as error:
            ray_cluster.check_address(address)
    assert "\n" not in str(error.value)


def test_auto_is_the_cluster_that_the_environment_names(cluster: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", cluster)
    with connected("auto") as ray:
        assert ray.get_runtime_context().gcs_address == cluster
        with connected("elsewhere:1") as same:  # a connection that is there already is used, and stays
            assert same is ray
        assert ray.is_initialized()
    assert not ray.is_initialized()
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(ConfigError, match="expected a Ray cluster there"), connected("auto"):
        pass


def test_auto_starts_one_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    services = pytest.importorskip("ray._private.services", reason="Ray is not installed")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    # What a killed cluster leaves behind is none.

    def parent(task: int) -> int:  # nested, for a worker cannot import this file
        return os.getppid()

    found = {"auto": "127.0.0.1:1", "local": None}
    monkeypatch.setattr(services, "canonicalize_bootstrap_address", lambda address, *_: found[address])
    with connected("auto") as ray:
        assert len(ray.nodes()) == 1
        ((task, raylet),) = fan_out(parent, [1], ray="auto")
        assert task == 1
    limit = time.monotonic() + 20
    while raylet_runs(raylet):
        assert time.monotonic() < limit
        time.sleep(0.05)


def raylet_runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
