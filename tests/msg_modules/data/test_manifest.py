"""Examples files that lost some of their bytes."""

from __future__ import annotations

import pathlib
from collections.abc import Callable

import pytest

from msg_modules.common.errors import RunError
from msg_modules.data import manifest, reading

SPLIT = "Split-train"


@pytest.fixture
def artifact(
    tmp_path: pathlib.Path, make_examples: Callable, write_examples: Callable
) -> pathlib.Path:
    """Examples as Transform leaves them, at a path that is no pattern."""
    directory = tmp_path / "run[1]"
    for split in (SPLIT, "Split-eval"):
        for name in ("part-0.gz", "part-1.gz"):
            write_examples(directory / split / name, make_examples(5).pyramid([0, 1]))
    manifest.write(str(directory))
    return directory


def _read(artifact: pathlib.Path) -> int:
    return len(reading.load_examples(f"{artifact / SPLIT}/*"))


def _refusal(artifact: pathlib.Path) -> str:
    with pytest.raises(RunError) as caught:
        _read(artifact)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert f"delete {str(artifact)!r}" in message
    return message


def test_whole_files_are_read(artifact: pathlib.Path):
    assert _read(artifact) == 4


@pytest.mark.parametrize("size", [0, 20, 39, "half"])
def test_a_file_that_is_cut_is_named_with_its_size(
    artifact: pathlib.Path, size: int | str
):
    path = artifact / SPLIT / "part-1.gz"
    written = path.read_bytes()
    kept = len(written) // 2 if isinstance(size, str) else size
    path.write_bytes(written[:kept])

    message = _refusal(artifact)

    assert f"{str(path)!r} has {kept:,} bytes" in message
    assert f"{len(written):,}" in message


def test_a_file_that_is_missing_is_named(artifact: pathlib.Path):
    path = artifact / SPLIT / "part-1.gz"
    path.unlink()

    assert f"{str(path)!r} is missing" in _refusal(artifact)


def test_a_split_that_is_not_read_may_be_damaged(artifact: pathlib.Path):
    (artifact / "Split-eval" / "part-0.gz").write_bytes(b"")

    assert _read(artifact) == 4
    with pytest.raises(RunError, match="Split-eval"):
        manifest.check(str(artifact))


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[1]", b"\xff", b'{"Split-train/part-0.gz": "many"}']
)
def test_a_damaged_record_of_the_sizes_is_named(artifact: pathlib.Path, content: bytes):
    path = artifact / manifest.MANIFEST_FILE
    path.write_bytes(content)

    assert str(path) in _refusal(artifact)


def test_examples_whose_sizes_nobody_recorded_are_read(artifact: pathlib.Path):
    (artifact / manifest.MANIFEST_FILE).unlink()

    assert _read(artifact) == 4
