"""Locks against a second process in the same directory."""

from __future__ import annotations

import contextlib
import errno
import pathlib
from collections.abc import Iterator

import filelock

from msg_modules.common import console
from msg_modules.common.errors import RunError

_NAME = ".lock"
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP)


@contextlib.contextmanager
def exclusive(directory: pathlib.Path, error: str) -> Iterator[None]:
    """Keeps other processes out of a block of code, also those on other machines.

    The operating system releases the lock when the process ends, however it ends.

    Args:
      directory: The directory to lock; it must exist.
      error: What to say if another process is in the block.

    Raises:
      RunError: If another process is in the block.
    """
    lock = filelock.FileLock(directory / _NAME)
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout as e:
        raise RunError(error) from e
    except OSError as e:
        if e.errno not in _NO_LOCKS:
            raise
        console.warn(
            f"The file system of {str(directory)!r} has no locks ({e.strerror}); make"
            " sure that no other process uses this directory."
        )
    try:
        yield
    finally:
        lock.release()
