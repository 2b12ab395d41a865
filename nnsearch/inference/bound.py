"""Inference with inputs and outputs that stay on the device: no allocation, and with CUDA graphs no kernel launches."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
import onnxruntime as ort

from nnsearch.encoding.encoder import Feed, FloatArray

LARGEST_BUCKET = 512
"""States of the largest batch that is run at once; more are split, so that ten buckets serve every batch."""


def bucket_of(batch: int, largest: int = LARGEST_BUCKET) -> int:
    """Return the size that a batch is padded to: the next power of two, at most the largest bucket."""
    return min(1 << (batch - 1).bit_length(), largest)


class BoundOneHot:
    """A network of one size whose buffers stay at fixed addresses of the device, one pair for each bucket.

    A batch is copied into the bucket of the next power of two; the rows beyond it are 0, and their scores are dropped.
    Fixed shapes and addresses are what CUDA graphs ask for: the kernels of a bucket are recorded in its first run and
    then launched as one. Buckets are made on first use, because a search that asks for single states needs one of ten,
    and each takes memory and a capture; :meth:`warm_up` makes them beforehand.

    Args:
        session: input ``assignment`` float32[B, N], output ``scores`` float32[B, N].
        size: N.
        device: ``cuda``; ``cpu`` gives the same scores, for tests.
        cuda_graphs: the session was opened with ``enable_cuda_graph``.
        largest: the largest bucket, a power of two.
    """

    def __init__(
        self,
        session: ort.InferenceSession,
        size: int,
        device: str = "cuda",
        *,
        cuda_graphs: bool = False,
        largest: int = LARGEST_BUCKET,
    ) -> None:
        self.session, self.size, self.device = session, size, device
        self.cuda_graphs, self.largest = cuda_graphs, largest
        self._buckets: dict[int, _Bucket] = {}
        self._lock = threading.Lock()  # buffers hold one batch at a time; sessions alone would allow several

    def run(self, feed: Feed) -> FloatArray:
        """Score ``assignment`` float32[B, N], the only input; return float32[B, N], the caller's to keep.

        Raises:
            ValueError: the shape is another one.
        """
        assignment = feed["assignment"]
        if assignment.ndim != 2 or assignment.shape[1] != self.size:
            raise ValueError(f"expected states as [B, {self.size}], got shape {assignment.shape}")
        scores = np.empty(assignment.shape, dtype=np.float32)
        with self._lock:
            for start in range(0, len(assignment), self.largest):
                rows = assignment[start : start + self.largest]
                scores[start : start + len(rows)] = self._bucket(len(rows)).run(rows)
        return scores

    def warm_up(self, batch: int = 1) -> None:
        """Make the bucket of a batch, and run it once, which captures its CUDA graph."""
        self.run({"assignment": np.zeros((min(batch, self.largest), self.size), dtype=np.float32)})

    def _bucket(self, batch: int) -> _Bucket:
        rows = bucket_of(batch, self.largest)
        if rows not in self._buckets:
            self._buckets[rows] = _Bucket(self.session, (rows, self.size), self.device, self.cuda_graphs)
        return self._buckets[rows]


class _Bucket:
    """The buffers of one batch size."""

    def __init__(self, session: ort.InferenceSession, shape: tuple[int, int], device: str, cuda_graph: bool) -> None:
        self._session, self._shape = session, shape
        self._staging = np.zeros(shape, dtype=np.float32)
        self._input, self._output = (
            ort.OrtValue.ortvalue_from_shape_and_type(shape, np.float32, device, 0) for _ in range(2)
        )
        self._binding = session.io_binding()
        self._binding.bind_ortvalue_input("assignment", self._input)
        self._binding.bind_ortvalue_output("scores", self._output)
        self._options = ort.RunOptions()
        if cuda_graph:
            # Each shape has a graph of its own; ONNX Runtime keeps them apart by this number.
            self._options.add_run_config_entry("gpu_graph_id", str(shape[0]))

    def run(self, rows: FloatArray) -> FloatArray:
        """float32[b, N] -> float32[b, N], b at most the size of the bucket; a view that the next run may write over."""
        given = rows
        if rows.shape != self._shape or rows.dtype != np.float32:
            given = self._staging
            given[: len(rows)] = rows
            given[len(rows) :] = 0
        self._input.update_inplace(np.ascontiguousarray(given))
        # The copy is made in another stream than the network's.
        self._binding.synchronize_inputs()
        self._session.run_with_iobinding(self._binding, self._options)
        self._binding.synchronize_outputs()
        scores: FloatArray = self._output.numpy()
        return scores[: len(rows)]


def outputs_of(outputs: Sequence[FloatArray]) -> FloatArray:
    """Return the only output of a network; of several outputs of one shape float32[..., K] make one."""
    return outputs[0] if len(outputs) == 1 else np.stack(outputs)


class BoundGraph:
    """A network on graphs, whose inputs are copied to the device and whose outputs are copied back.

    Graphs differ in size from state to state, so there are no fixed buffers and no CUDA graph. ONNX Runtime's arena
    keeps its default growth, to the next power of two: sizes change with every state, and exact growth would leave
    pieces that fit no later one.

    Args:
        session: inputs and output as in :class:`nnsearch.inference.metadata.ModelMetadata`.
        device: ``cuda``; ``cpu`` gives the same scores, for tests.
        outputs: by name.
    """

    def __init__(
        self, session: ort.InferenceSession, device: str = "cuda", outputs: Sequence[str] = ("scores",)
    ) -> None:
        self.session, self.device, self.outputs = session, device, outputs

    def run(self, feed: Feed) -> FloatArray:
        """Score a graph, whose inputs are not on the device; see :func:`outputs_of`."""
        if not all(array.size for array in feed.values()):
            # A buffer without bytes has no address to bind.
            return outputs_of(self.session.run(list(self.outputs), dict(feed)))
        binding = self.session.io_binding()  # afresh: one that has run expects the same sizes again
        for name, array in feed.items():
            value = ort.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(array), self.device, 0)
            binding.bind_ortvalue_input(name, value)
        for output in self.outputs:
            binding.bind_output(output, self.device)
        binding.synchronize_inputs()
        self.session.run_with_iobinding(binding)
        binding.synchronize_outputs()
        return outputs_of(binding.copy_outputs_to_cpu())
