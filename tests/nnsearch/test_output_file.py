from __future__ import annotations

import os
from pathlib import Path

import pytest

from nnsearch.errors import ConfigError
from nnsearch.output_file import check_output_file, check_output_folder


def test_what_can_be_written_is_left_as_it_was(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "folder" / "new"
    old.write_text("kept")
    for path in (old, new):
        check_output_file(path, "--out")
    check_output_folder(new, "--out")
    assert old.read_text() == "kept"
    assert list(tmp_path.iterdir()) == [old]


@pytest.mark.parametrize(
    ("name", "reason"),
    [("folder", "Is a directory"), ("file/x.npz", "Not a directory"), ("long" * 99, "File name too long")],
)
def test_what_cannot_be_written_is_refused(name: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    message = f"^--out {tmp_path / name}: expected a file that can be written, got: {reason}; choose another$"
    with pytest.raises(ConfigError, match=message):
        check_output_file(tmp_path / name, "--out")


@pytest.mark.parametrize("name", ["file", "file/folder"])
def test_what_can_be_no_folder_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    message = f"^--runs {tmp_path / name}: expected a folder that can be written, got: Not a directory; choose another$"
    with pytest.raises(ConfigError, match=message):
        check_output_folder(tmp_path / name, "--runs")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_without_a_reader_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    check_output_file(tmp_path / "pipe", "--out")
