"""Atomic writing: readers see the old content or the new one, never half of one."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
from collections.abc import Iterator


@contextlib.contextmanager
def beside(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yields a path beside a file, and renames it to the file at the end.

    What was written is removed if the block raises.

    Args:
      path: The file; its directory exists.

    Yields:
      Where to write. The name has the file's suffix, from which many libraries take
      the format.
    """
    part = path.with_name(f".{path.name}.part{path.suffix}")
    try:
        yield part
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def directory_beside(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yields a path beside a directory, and renames it to the directory at the end.

    What was at `path` before is replaced. What was written is removed if the block
    raises.

    Args:
      path: The directory; its parent is created if need be.

    Yields:
      Where to write; nothing is there yet.
    """
    part = path.with_name(f".{path.name}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(part, ignore_errors=True)
    try:
        yield part
        shutil.rmtree(path, ignore_errors=True)
        part.rename(path)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def write_whole(path: pathlib.Path, content: str | bytes) -> None:
    """Writes a text or bytes atomically.

    Args:
      path: The file; its directory exists.
      content: All that shall be in it.
    """
    with beside(path) as part:
        if isinstance(content, str):
            part.write_text(content)
        else:
            part.write_bytes(content)


def link(path: pathlib.Path, target: pathlib.Path) -> None:
    """Makes a symbolic link, or points an existing one elsewhere, atomically.

    Args:
      path: The link; its directory exists.
      target: What it points to, relative to the link's directory on disk.
    """
    with beside(path) as part:
        part.unlink(missing_ok=True)
        part.symlink_to(os.path.relpath(target, path.parent))
