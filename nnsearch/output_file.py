"""Where results go: a path that cannot be written is refused before the work, and a file is never half written."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from nnsearch.errors import ConfigError


def check_output_file(path: Path, option: str) -> None:
    """Refuse a path that cannot be written; nothing is made, and a file that is there stays as it is.

    Raises:
        ConfigError: the file cannot be written; the message names the option of the command line.
    """
    with _refused(f"{option} {path}: expected a file that can be written"):
        if path.is_file() or path.is_dir():  # a pipe would wait for its reader
            path.open("ab").close()
        elif not path.exists():
            _try_folder(path.parent)


def check_output_folder(folder: Path, option: str) -> None:
    """Refuse a folder in which no file can be made; it need not be there yet, and it is not made.

    Raises:
        ConfigError: no file can be made there; the message names the option of the command line.
    """
    with _refused(f"{option} {folder}: expected a folder that can be written"):
        _try_folder(folder)


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that becomes ``path`` once it is complete: at any moment, the old one or the new one is there.

    What is no file of its own is written where it is: a pipe, a device, a link such as ``/dev/stdout``.
    """
    if path.is_symlink() or (path.exists() and not path.is_file()):
        with path.open("wb") as file:
            yield file
        return
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def save_npz(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write a compressed ``.npz``, whole or not at all."""
    with replacing(path) as file:
        np.savez_compressed(file, **arrays)


def _try_folder(folder: Path) -> None:
    while not folder.exists():
        folder = folder.parent
    with tempfile.TemporaryFile(dir=folder):
        pass


@contextmanager
def _refused(message: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigError(f"{message}, got: {error.strerror}; choose another") from None
