from __future__ import annotations

import pathlib
import resource
import socket

import pytest

from msg_modules.common import files
from msg_modules.common.errors import RunError


def test_a_text_is_written(tmp_path: pathlib.Path):
    path = tmp_path / "stats.jsonl"
    files.write_whole(path, "one\n")
    files.write_whole(path, "two\n")

    assert path.read_text() == "two\n"
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_written_leaves_the_old_text(tmp_path: pathlib.Path):
    path = tmp_path / "stats.jsonl"
    files.write_whole(path, "old\n")

    # As on a full disk: no file may be longer than a kilobyte.
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, limits[1]))
    try:
        with pytest.raises(OSError):
            files.write_whole(path, "new\n" * 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert path.read_text() == "old\n"


def test_what_is_no_file_is_not_replaced(tmp_path: pathlib.Path):
    device = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(device))
    for path in (device, tmp_path, pathlib.Path("")):
        with pytest.raises(RunError, match="not a regular file") as caught:
            files.write_whole(path, "text")
        assert str(path) in str(caught.value)

    assert list(tmp_path.iterdir()) == [device]
    assert device.is_socket()


def test_a_directory_is_replaced_as_a_whole(tmp_path: pathlib.Path):
    path = tmp_path / "model"
    for text in ("one", "two"):
        with files.directory_beside(path) as part:
            part.mkdir()
            (part / text).touch()

    assert [file.name for file in path.iterdir()] == ["two"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_directory_stays_if_the_new_one_cannot_be_put_in_its_place(
    tmp_path: pathlib.Path,
):
    path = tmp_path / "model"
    path.mkdir()
    (path / "old").touch()

    with pytest.raises(FileNotFoundError), files.directory_beside(path):
        pass  # Nothing is written.

    assert (path / "old").exists()
    assert list(tmp_path.iterdir()) == [path]


def test_a_directory_that_a_killed_process_was_replacing_is_found_again(
    tmp_path: pathlib.Path,
):
    path = tmp_path / "model"
    (tmp_path / ".model.old").mkdir()
    (tmp_path / ".model.old/old").touch()

    with pytest.raises(RuntimeError), files.directory_beside(path):
        assert (path / "old").exists()
        raise RuntimeError("nor does this process write another")

    assert (path / "old").exists()
