"""Locks against a second process that would write the same files."""

from __future__ import annotations

import contextlib
import errno
import pathlib
from collections.abc import Iterator

import filelock

from msg_modules.common import console
from msg_modules.common.errors import RunError

_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP)


@contextlib.contextmanager
def exclusive(path: pathlib.Path, error: str) -> Iterator[None]:
    """Keeps other processes out of a block of code, also those on other machines.

    The operating system releases the lock when the process ends, however it ends.

    Args:
      path: The lock file; its directory must exist.
      error: What to say if another process is in the block.

    Raises:
      RunError: If another process is in the block.
    """
    lock = filelock.FileLock(path)
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout as e:
        raise RunError(error) from e
    except OSError as e:
        if e.errno not in _NO_LOCKS:
            raise
        console.warn(
            f"The file system of {str(path.parent)!r} has no locks ({e.strerror}); make"
            " sure that no other process uses this directory."
        )
    try:
        yield
    finally:
        lock.release()
