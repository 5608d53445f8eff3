"""Atomic writes: readers see the old content or the new, never a partial file."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
from collections.abc import Iterator


@contextlib.contextmanager
def beside(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Writes a file atomically: yields a temporary path and renames it at the end.

    The temporary file is removed if the block raises.

    Args:
      path: The file; its directory must exist.

    Yields:
      The temporary path, in the same directory and with the same suffix, from which
      many libraries infer the format.
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
    """Writes a directory: yields a temporary path and renames it at the end.

    An existing directory at `path` is replaced. The temporary directory is removed if
    the block raises.

    Args:
      path: The directory; its parent is created if it does not exist.

    Yields:
      The temporary path, which does not exist yet.
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
    """Writes text or bytes to a file atomically.

    Args:
      path: The file; its directory must exist.
      content: The whole content.
    """
    with beside(path) as part:
        if isinstance(content, str):
            part.write_text(content)
        else:
            part.write_bytes(content)


def link(path: pathlib.Path, target: pathlib.Path) -> None:
    """Creates or replaces a symbolic link atomically.

    Args:
      path: The link; its directory must exist.
      target: The path to link to; stored relative to the link's directory.
    """
    with beside(path) as part:
        part.unlink(missing_ok=True)
        part.symlink_to(os.path.relpath(target, path.parent))
