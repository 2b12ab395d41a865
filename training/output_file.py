"""Where results go: a path that cannot be written is refused before the work, not after it."""

from __future__ import annotations

from pathlib import Path

from nnsearch.errors import ConfigError


def check_output_file(path: Path, option: str) -> None:
    """Refuse a path that cannot be written; missing folders are made, and a file that is there stays as it is.

    Args:
        path: what was asked for.
        option: of the command line, for the message.

    Raises:
        ConfigError: the file cannot be written.
    """
    is_new = not path.exists()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("ab").close()
        if is_new:
            path.unlink()
    except OSError as error:
        raise ConfigError(
            f"{option} {path}: expected a file that can be written, got: {error.strerror}; choose another"
        ) from None
