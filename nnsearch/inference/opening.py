"""Opening an ``.onnx`` file in ONNX Runtime, in silence."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import onnxruntime as ort

_FATAL = 4  # ONNX Runtime's log severities; its errors reach the user as exceptions, in one line
_WARNING = 2


def open_session(path: Path, providers: Mapping[str, Mapping[str, str]], threads: int) -> ort.InferenceSession:
    """Open a file; what goes wrong is an exception of ONNX Runtime, and nothing is printed.

    The execution providers are given in order, with their options. One whose libraries cannot be loaded is missing
    from the ``get_providers()`` of the session.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _FATAL
    ort.set_default_logger_severity(_FATAL)
    try:
        return ort.InferenceSession(
            # Opened by path, not from bytes: ONNX Runtime then refuses external data outside the file's own folder.
            str(path),
            sess_options=options,
            providers=[(name, dict(chosen)) for name, chosen in providers.items()],
            enable_fallback=0,  # the fallback prints what went wrong, and goes on without the provider
        )
    finally:
        ort.set_default_logger_severity(_WARNING)


def reason(error: Exception) -> str:
    """Return the first line of an exception of ONNX Runtime, without its codes."""
    line = (str(error).splitlines() or [type(error).__name__])[0]
    return line.split(" : ", 3)[-1] if line.startswith("[ONNXRuntimeError]") else line
