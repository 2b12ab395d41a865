"""Where an instance is read from, and the one line that says what is wrong with it."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from nnsearch.errors import InstanceError

T = TypeVar("T")

JSON_ENDING = ".jsonl"


@dataclass(frozen=True)
class Spec:
    """A file, and which of its instances is meant.

    Attributes:
        path: The file.
        selector: The name of an object in a ``.jsonl`` file, or the number of a line; None selects all.
    """

    path: Path
    selector: str | None = None

    @property
    def ending(self) -> str:
        """The ending of the file, in lower case, without that of gzip."""
        return _unzipped(self.path).suffix.lower()

    @property
    def stem(self) -> str:
        """The name of the file without its ending."""
        return _unzipped(self.path).stem

    @property
    def selects(self) -> str:
        """What a selector of this file is, for messages."""
        return "#NAME" if self.ending == JSON_ENDING else "#LINE"

    def select(self, content: Mapping[str, T], among: Iterable[str] | None = None) -> dict[str, T]:
        """Return what the selector selects of what the file has, everything or one.

        Raises:
            InstanceError: The selector selects nothing; the message suggests others, ``among`` these.
        """
        if self.selector is None:
            return dict(content)
        if self.selector not in content:
            names = first_names(content if among is None else among)
            raise error(self.path, None, f"expected {self.selects}, one of {names}, got {shown(self.selector)}")
        return {self.selector: content[self.selector]}


def check_file(source: Spec, endings: Iterable[str], recognises: Callable[[bytes], bool]) -> None:
    """Refuse a directory, and a file that no reader exists for.

    Args:
        source: The file.
        endings: Those of which there are readers.
        recognises: Tells from the content of a file with another ending that there is one.
    """
    # A path that no file can have makes is_dir() raise too.
    path, legal = source.path, tuple(endings)
    with _refusing_unreadable(path):
        if path.is_dir():
            files = path / f"*{legal[0]}"
            raise error(path, None, f"expected a file, got a directory; give its files, such as {files}")
        if source.ending in legal or (path.is_file() and recognises(read_bytes(path))):
            return
        if source.ending in (".fzn", ".mzn"):
            message = (
                "expected a file that OR-Tools reads from Python, got MiniZinc; solve it by: minizinc --solver cp-sat"
            )
            raise error(path, None, message)
        *others, last = *legal, *(f"{ending}#NAME" for ending in legal if ending == JSON_ENDING)
        ending = shown(path.suffix) if path.suffix else "no ending"
        listed = f"{', '.join(others)} or {last}" if others else last
        raise error(path, None, f"expected a file that ends in {listed}, got {ending}")


def read_bytes(path: Path) -> bytes:
    """Return the content of a file, unpacked if it is one of gzip, whatever its ending."""
    with _refusing_unreadable(path):
        content = path.read_bytes()
    if not content.startswith(b"\x1f\x8b"):
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, OSError, zlib.error):
        raise error(path, None, "expected a whole gzip file, got a cut or damaged one") from None


def read_text(path: Path) -> str:
    """Return the text of a file in UTF-8."""
    content = read_bytes(path)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = content.count(b"\n", 0, problem.start) + 1
        raise error(path, line, f"expected UTF-8 text, got the byte 0x{content[problem.start]:02x}") from None


@contextmanager
def located(path: Path, line: int | None) -> Iterator[None]:
    """Prefix an InstanceError of the block with the place in the file."""
    try:
        yield
    except InstanceError as problem:
        raise error(path, line, str(problem)) from None


def integer(word: str) -> int | str:
    """Return the integer that a word spells, or the word; int() alone also takes ``1_0`` and digits of any script."""
    return int(word) if re.fullmatch(r"[-+]?[0-9]{1,18}", word) else word


def shown(value: object) -> str:
    """Quote what a file has, cut to a length that fits a message."""
    if isinstance(value, list | dict):  # long, and perhaps nested too deeply to be written
        return "a list" if isinstance(value, list) else "an object"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else text[:37] + "..."


def first_names(names: Iterable[str]) -> str:
    """Quote the first three names, and count the others."""
    listed = list(names)
    more = f" and {len(listed) - 3} more" if len(listed) > 3 else ""
    return ", ".join(shown(name) for name in listed[:3]) + more


def error(path: Path, line: int | None, message: str) -> InstanceError:
    """Return the error, ``FILE:LINE: message`` or ``FILE: message``."""
    text = f"{path}: {message}" if line is None else f"{path}:{line}: {message}"
    # One line, whatever a file or its name holds.
    return InstanceError("".join(c if c.isprintable() else ascii(c)[1:-1] for c in text))


def _unzipped(path: Path) -> Path:
    return path.with_suffix("") if path.suffix.lower() == ".gz" else path


@contextmanager
def _refusing_unreadable(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise error(path, None, "expected a file, got nothing at this path") from None
    except (OSError, ValueError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else problem
        raise error(path, None, f"expected a file that can be read, got the error: {reason}") from None
