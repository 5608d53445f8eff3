"""What `endurance.py` does to a run, to its disk and to its files."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import random
import signal
import subprocess
import time
from collections.abc import Callable

_MOUNT_OPTIONS = "size=200m"


class Disk:
    """The file system of a pipeline root: a small one, where mounting is permitted.

    Attributes:
      root: The pipeline root.
      is_small: Whether it is a small file system.
    """

    def __init__(self, directory: pathlib.Path):
        """Mounts it below a directory."""
        self._disk, self._view = directory / "disk", directory / "read_only_disk"
        self._ballast = self._disk / "ballast"
        self.root = self._disk / "root"
        for path in (self._disk, self._view):
            path.mkdir()
        self.is_small = _mount("-t", "tmpfs", "-o", _MOUNT_OPTIONS, "tmpfs", self._disk)
        if self.is_small:
            # Files that are open for writing keep a file system from being remounted
            # read-only, but a read-only view can be mounted over it.
            _mount("--bind", self._disk, self._view)
            _mount("-o", "remount,bind,ro", self._view)

    def fill(self) -> None:
        """Leaves no space.

        Raises:
          RuntimeError: If it was unmounted meanwhile: below is the machine's own disk.
        """
        if not os.path.ismount(self._disk):
            raise RuntimeError(f"{self._disk} is not mounted any more.")
        for size in (2**20, 1):
            with contextlib.suppress(OSError), self._ballast.open("ab", 0) as ballast:
                while True:
                    ballast.write(bytes(size))

    def lock(self) -> None:
        """Makes it read-only, except for files that are open already."""
        _mount("--bind", self._view, self._disk)

    def mend(self) -> None:
        """Undoes `fill` and `lock`."""
        if self.is_small and os.statvfs(self._disk).f_flag & os.ST_RDONLY:
            _unmount(self._disk)
        self._ballast.unlink(missing_ok=True)

    def close(self) -> None:
        """Unmounts it."""
        self.mend()
        if self.is_small:
            _unmount(self._view)
            _unmount(self._disk)


def _mount(*arguments: str | pathlib.Path) -> bool:
    command = ["mount", *map(str, arguments)]
    return not subprocess.run(command, capture_output=True, check=False).returncode


def _unmount(path: pathlib.Path) -> None:
    # Lazily: files may still be open.
    subprocess.run(["umount", "--lazy", str(path)], check=True)


@dataclasses.dataclass(frozen=True)
class Kind:
    """A way to disturb a run, and how the run may end.

    Attributes:
      act: Disturbs a process, or its disk.
      statuses: The exit statuses; negative if a signal ends the process.
      words: A pattern that the line on standard error has; None if none is promised.
    """

    act: Callable[[int, Disk], None]
    statuses: tuple[int, ...]
    words: str | None = None

    @property
    def is_signal(self) -> bool:
        """Whether it ends the process, rather than makes it fail."""
        return not {1, 2}.intersection(self.statuses)


def _signals(*numbers: signal.Signals) -> Callable[[int, Disk], None]:
    def act(pid: int, disk: Disk) -> None:
        del disk
        # The process may end by itself, or by the first of two signals.
        with contextlib.suppress(ProcessLookupError):
            for number in numbers:
                os.kill(pid, number)
                time.sleep(0.05 * (len(numbers) - 1))

    return act


INTERRUPTED = "^error: Interrupted"
KINDS = {
    "SIGINT": Kind(_signals(signal.SIGINT), (130,), INTERRUPTED),
    "SIGTERM": Kind(_signals(signal.SIGTERM), (143,), INTERRUPTED),
    "SIGINT twice": Kind(_signals(*[signal.SIGINT] * 2), (130, -signal.SIGINT)),
    "SIGHUP": Kind(_signals(signal.SIGHUP), (-signal.SIGHUP,)),
    "SIGKILL": Kind(_signals(signal.SIGKILL), (-signal.SIGKILL,)),
    "full disk": Kind(
        lambda _, disk: disk.fill(), (1, 2), "^error: .*(?i:no space left)"
    ),
    "read-only disk": Kind(
        lambda _, disk: disk.lock(), (1, 2), "^error: .*(?i:read-?only)"
    ),
}
ON_DISK = ("full disk", "read-only disk")

TRUNCATED, WRONG_BIT = "truncated file", "wrong bit in a file"
DAMAGES = (TRUNCATED, WRONG_BIT)


def damage(path: pathlib.Path, how: str, randomness: random.Random) -> None:
    """Damages a file in a random place.

    Args:
      path: A file that is not empty.
      how: One of `DAMAGES`.
      randomness: Chooses the place.
    """
    content = bytearray(path.read_bytes())
    where = randomness.randrange(len(content))
    if how == TRUNCATED:
        del content[where:]
    else:
        content[where] ^= 1 << randomness.randrange(8)
    path.write_bytes(content)
