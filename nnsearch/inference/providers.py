"""Choosing where a network runs, without noise on machines that have no GPU."""

from __future__ import annotations

import ctypes
import functools
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import onnxruntime as ort

from nnsearch.errors import ModelFileError

Provider = Literal["auto", "cpu", "cuda", "tensorrt"]

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
TENSORRT = "TensorrtExecutionProvider"


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


@functools.cache
def tensorrt_loads() -> bool:
    """Load the libraries of TensorRT, and tell whether they are there.

    They are loaded before ONNX Runtime asks for them, which prints errors when it does so in vain, and which does not
    look where ``pip install tensorrt`` puts them.
    """
    windows = sys.platform == "win32"
    names = ["nvinfer_10.dll", "nvonnxparser_10.dll"] if windows else ["libnvinfer.so.10", "libnvonnxparser.so.10"]
    return all(_loads(name) for name in names)


def _loads(name: str) -> bool:
    spec = find_spec("tensorrt_libs")
    folders: Sequence[str] = (spec.submodule_search_locations or ()) if spec is not None else ()
    for candidate in [name, *(str(Path(folder) / name) for folder in folders)]:
        try:
            ctypes.CDLL(candidate, mode=ctypes.RTLD_GLOBAL)
        except OSError:
            continue
        return True
    return False


def choose_providers(provider: Provider) -> list[str]:
    """Return the execution providers to ask ONNX Runtime for, in order.

    Args:
        provider: ``auto`` (CUDA where a GPU is found, else the CPU), ``cpu``, ``cuda`` or ``tensorrt``.

    Raises:
        ModelFileError: CUDA or TensorRT is asked for, and there is no GPU, or ONNX Runtime cannot use it.
    """
    if provider == "cpu":
        return [CPU]
    wanted = TENSORRT if provider == "tensorrt" else CUDA
    built = wanted in ort.get_available_providers()
    if built and gpu_count() > 0:
        # Finds the CUDA libraries that come as Python packages (the extra cuda).
        ort.preload_dlls()
        if wanted == CUDA:
            return [CUDA, CPU]
        if tensorrt_loads():
            return [TENSORRT, CUDA, CPU]
        raise ModelFileError(
            "expected TensorRT 10, but its libraries (libnvinfer, libnvonnxparser) cannot be loaded; "
            "install it with pip install 'tensorrt>=10,<11', or use --provider cuda"
        )
    if provider == "auto":
        return [CPU]
    name = {CUDA: "CUDA", TENSORRT: "TensorRT"}[wanted]
    missing = "no GPU is visible to the NVIDIA driver" if built else f"this ONNX Runtime has no {name} provider"
    raise ModelFileError(f"expected a CUDA device, but {missing}; use the provider cpu or auto")
