from __future__ import annotations

import pathlib
import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest

from msg_modules.pictures import archives


def test_an_archive_is_what_numpy_would_have_written(tmp_path: pathlib.Path):
    whole = {
        "a": np.arange(24, dtype=np.uint8).reshape(6, 2, 2),
        "b": np.linspace(0, 1, 6, dtype=np.float32),
    }
    path = tmp_path / "new" / "both.npz"

    archives.write_npz(
        path,
        6,
        ({name: values[i : i + 4] for name, values in whole.items()} for i in (0, 4)),
    )

    with np.load(path) as read:
        assert set(read) == {"a", "b"}
        for name, values in whole.items():
            np.testing.assert_array_equal(read[name], values, strict=True)
    assert list(path.parent.iterdir()) == [path]


def test_memory_does_not_grow_with_the_archive(tmp_path: pathlib.Path):
    batch = np.zeros([1000, 784], np.uint8)

    tracemalloc.start()
    archives.write_npz(tmp_path / "a.npz", 100_000, ({"x": batch} for _ in range(100)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert (tmp_path / "a.npz").stat().st_size > 78_400_000
    assert peak < 8_000_000


def test_what_ends_early_leaves_the_old_archive(tmp_path: pathlib.Path):
    path = tmp_path / "a.npz"
    path.write_bytes(b"old")

    def batches() -> Iterator[dict[str, np.ndarray]]:
        yield {"x": np.zeros([2, 3])}
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        archives.write_npz(path, 4, batches())

    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
