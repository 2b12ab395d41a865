from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

# Tests run side by side: threads that wait for each other in a loop would only take the processors from other tests.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Timings on shared machines are noisy, and the first call of a compiled function takes seconds.
settings.register_profile("nnsearch", deadline=None, max_examples=50)
settings.load_profile("nnsearch")


@pytest.fixture(autouse=True)
def ctrl_c_reaches_python() -> None:
    """A plain solve by CP-SAT leaves Ctrl-C to the system, and a test that presses it would end the whole worker."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def cluster() -> Iterator[str]:
    """The address of a Ray cluster of two nodes, both on this machine, with a CPU each."""
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'nnsearch[ray]'")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": 100 * 2**20, "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args=node)
    made.add_node(**node)
    yield made.address
    made.shutdown()
