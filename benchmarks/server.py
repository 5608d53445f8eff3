"""`msg-gan serve` in a process of its own, and the versions that it serves."""

from __future__ import annotations

import contextlib
import pathlib
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator

from msg_modules.generator import version_directories

_MSG_GAN = "from msg_modules import cli; cli.main()"


class Server:
    """A running server.

    Attributes:
      address: Host and port.
    """

    def __init__(self, process: subprocess.Popen[bytes], log: pathlib.Path):
        """Waits until it listens.

        Args:
          process: The server.
          log: File with what it prints.
        """
        self._process = process
        while not (found := re.search("http://([^/]+)/", log.read_text())):
            if not self.is_running():
                raise RuntimeError(f"The server did not start: {log.read_text()}")
            time.sleep(0.1)
        self.address = found[1]

    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def megabytes(self) -> float:
        """Returns its resident memory in MB; 0 if it has ended."""
        status = pathlib.Path(f"/proc/{self._process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+)", status)
        return int(found[1]) * 1024 / 1e6 if found else 0.0


@contextlib.contextmanager
def serve(serving: pathlib.Path, log: pathlib.Path, *flags: str) -> Iterator[Server]:
    """Runs a server during a block.

    Args:
      serving: Serving directory with at least one version.
      log: File for what it prints.
      *flags: More flags of `msg-gan serve`.

    Raises:
      RuntimeError: If it does not start.
    """
    command = [sys.executable, "-u", "-c", _MSG_GAN, "serve", "--model", str(serving)]
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, "--port", "0", *flags], stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield Server(process, log)
    finally:
        process.terminate()
        process.wait()


def push(source: pathlib.Path, serving: pathlib.Path) -> str:
    """Pushes like the pipeline; returns the version."""
    version = version_directories.next_version(serving)
    beside = serving / f".{version.name}.part"
    shutil.copytree(source, beside)
    version_directories.move(beside, version)
    return version.name
