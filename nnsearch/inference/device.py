"""Opening a network on a GPU, with CUDA or TensorRT."""

from __future__ import annotations

import hashlib
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import onnxruntime as ort

from nnsearch.errors import ModelFileError
from nnsearch.inference.bound import LARGEST_BUCKET, BoundGraph, BoundOneHot
from nnsearch.inference.metadata import ModelMetadata
from nnsearch.inference.opening import open_session, reason
from nnsearch.inference.providers import CPU, CUDA, TENSORRT

_log = logging.getLogger("nnsearch")

_CUDA_OPTIONS = {"use_tf32": "0"}
"""float32 is float32: TF32, which is ONNX Runtime's default, rounds factors to ten bits, as fp16 files do openly."""


def open_on_device(
    path: Path, metadata: ModelMetadata, providers: Sequence[str], threads: int
) -> BoundGraph | BoundOneHot:
    """Open a network, which is known to be a good file, on the GPU.

    A network of one size runs one state at once. That captures the graph of its first bucket, so that a network that
    CUDA graphs cannot hold is found out while there is still time to do without them.

    The first of the ``providers`` is on a GPU; the ``threads`` are for what that leaves to the CPU.

    Raises:
        ModelFileError: ONNX Runtime could not use the GPU, or TensorRT is asked to run a network on the candidate
            graph.
    """
    one_hot = metadata.encoder == "one_hot"
    if not one_hot and providers[0] == TENSORRT:
        raise ModelFileError(
            f"{path}: expected a network of one size, because TensorRT prepares for a range of sizes and graphs have "
            "any; use --provider cuda"
        )
    options: dict[str, Mapping[str, str]] = {CUDA: _CUDA_OPTIONS, CPU: {}}
    try:
        if not one_hot:
            return BoundGraph(_active(path, options, threads), outputs=metadata.outputs)
        size = (metadata.num_variables or 0) * (metadata.num_values or 0)
        if providers[0] == TENSORRT:
            return _open_one_hot(path, {TENSORRT: tensorrt_options(path, size), **options}, threads, size)
        try:
            with_graphs = {CUDA: {**_CUDA_OPTIONS, "enable_cuda_graph": "1"}, CPU: {}}
            return _open_one_hot(path, with_graphs, threads, size, cuda_graphs=True)
        except Exception as error:
            bound = _open_one_hot(path, options, threads, size)  # first: without CUDA this is another matter
            _log.warning("%s: runs on CUDA without CUDA graphs, which it does not fit (%s)", path, reason(error))
            return bound
    except Exception as error:  # ONNX Runtime's exceptions share no base class
        raise ModelFileError(
            f"{path}: expected to run on a GPU, which is there, but ONNX Runtime cannot use it ({reason(error)}); "
            "CUDA's libraries come, in the clone, with: pip install '.[cuda]'"
        ) from None


def _open_one_hot(
    path: Path, providers: Mapping[str, Mapping[str, str]], threads: int, size: int, *, cuda_graphs: bool = False
) -> BoundOneHot:
    bound = BoundOneHot(_active(path, providers, threads), size, cuda_graphs=cuda_graphs)
    bound.warm_up()
    return bound


def _active(path: Path, providers: Mapping[str, Mapping[str, str]], threads: int) -> ort.InferenceSession:
    """Open the file, on the first of the providers or not at all."""
    session = open_session(path, providers, threads)
    if session.get_providers()[0] != next(iter(providers)):
        raise OSError("its libraries could not be loaded")
    return session


def tensorrt_options(path: Path, size: int) -> dict[str, str]:
    """Return TensorRT's options for a network of one size.

    Engines take minutes to build, so they are kept in the user's cache folder. TensorRT names them after the structure
    of the network, not after its weights, so each file has a folder of its own, named after its content. One engine
    serves all batches up to the largest bucket.
    """
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    folder = cache_folder() / "tensorrt" / f"{digest}-{ort.__version__}"
    folder.mkdir(parents=True, exist_ok=True)
    return {
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": str(folder),
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": str(folder),
        "trt_profile_min_shapes": f"assignment:1x{size}",
        "trt_profile_opt_shapes": f"assignment:64x{size}",
        "trt_profile_max_shapes": f"assignment:{LARGEST_BUCKET}x{size}",
    }


def cache_folder() -> Path:
    """Return the folder where nnsearch keeps what it can make again."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "nnsearch" / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nnsearch"
