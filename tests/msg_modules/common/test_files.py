from __future__ import annotations

import pathlib
import resource

import pytest

from msg_modules.common import files


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
