"""Atomic writes: readers see the old content or the new, never a partial file."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
from collections.abc import Iterator

from msg_modules.common.errors import ConfigError, RunError


@contextlib.contextmanager
def beside(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Writes a file atomically: yields a temporary path and renames it at the end.

    The temporary file is removed if the block raises.

    Args:
      path: The file; its directory must exist.

    Yields:
      The temporary path, in the same directory and with the same suffix, from which
      many libraries infer the format.

    Raises:
      RunError: If there is a directory, or a device, which the file would replace.
    """
    if path.exists() and not path.is_file():
        raise RunError(f"{str(path)!r} is not a regular file; choose another path.")
    with _beside(path) as part:
        yield part


@contextlib.contextmanager
def _beside(path: pathlib.Path) -> Iterator[pathlib.Path]:
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

    An existing directory at `path` is replaced; it is not removed before the new one is
    in its place. The temporary directory is removed if the block raises.

    Args:
      path: The directory; its parent is created if it does not exist.

    Yields:
      The temporary path, which does not exist yet.
    """
    part = path.with_name(f".{path.name}.part")
    old = path.with_name(f".{path.name}.old")
    path.parent.mkdir(parents=True, exist_ok=True)
    if old.exists() and not path.exists():  # A killed process was about to replace it.
        old.rename(path)
    shutil.rmtree(part, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)
    try:
        yield part
        if path.exists():
            path.rename(old)
        part.rename(path)
    except BaseException:
        if old.exists() and not path.exists():
            old.rename(path)
        shutil.rmtree(part, ignore_errors=True)
        raise
    shutil.rmtree(old, ignore_errors=True)


def read_text(path: pathlib.Path, field: str, remedy: str) -> str:
    """Reads a text file that a setting names.

    Args:
      path: The file.
      field: Name of the setting.
      remedy: What to do if it cannot be read.

    Raises:
      ConfigError: If it cannot be read, or is not UTF-8.
    """
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as e:
        reason = e.strerror if isinstance(e, OSError) else "it is not UTF-8 text"
        raise ConfigError(
            f"{field} is {str(path)!r}, which cannot be read ({reason}); {remedy}."
        ) from e


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
    with _beside(path) as part:
        part.unlink(missing_ok=True)
        part.symlink_to(os.path.relpath(target, path.parent))
