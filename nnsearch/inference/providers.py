"""Choosing where a network runs, without noise on machines that have no GPU."""

from __future__ import annotations

import ctypes
import functools
import logging
import sys
from typing import Literal

import onnxruntime as ort

from nnsearch.errors import ModelFileError

Provider = Literal["auto", "cpu", "cuda"]

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"

_log = logging.getLogger("nnsearch")


@functools.cache
def gpu_count() -> int:
    """Count the GPUs that the NVIDIA driver shows, 0 without a driver.

    The driver is asked before ONNX Runtime is, because ONNX Runtime prints errors when it looks for a GPU in vain.
    """
    name = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        driver = ctypes.CDLL(name)
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value


def choose_providers(provider: Provider) -> list[str]:
    """Return the execution providers to ask ONNX Runtime for, in order.

    Args:
        provider: ``auto`` (CUDA where a GPU is found, else the CPU), ``cpu`` or ``cuda``.

    Raises:
        ModelFileError: CUDA is asked for, and there is no GPU or no CUDA build of ONNX Runtime.
    """
    if provider == "cpu":
        return [CPU]
    built = CUDA in ort.get_available_providers()
    if built and gpu_count() > 0:
        # Finds the CUDA libraries that come as Python packages (pip install 'nnsearch[cuda]').
        ort.preload_dlls()
        return [CUDA, CPU]
    if provider == "cuda":
        missing = "no GPU is visible to the NVIDIA driver" if built else "this ONNX Runtime has no CUDA provider"
        raise ModelFileError(f"expected a CUDA device, but {missing}; use --provider cpu or auto")
    return [CPU]


def warn_if_fallen_back(wanted: list[str], active: list[str]) -> None:
    """Log one line when a GPU is there and ONNX Runtime could not use it."""
    if CUDA in wanted and CUDA not in active:
        _log.warning(
            "a GPU is present, but ONNX Runtime could not load its CUDA libraries; running on the CPU. "
            "Install them with: pip install 'nnsearch[cuda]'"
        )
