"""`msg-gan serve` in a process of its own."""

from __future__ import annotations

import pathlib
import re
import subprocess
import sys
from collections.abc import Sequence

import requests

_MSG_GAN = (sys.executable, "-c", "from msg_modules import cli; cli.main()")

LIMITS = {
    "max-images": 40,
    "max-body-bytes": 50_000,
    "poll-seconds": 0.2,
    "timeout-seconds": 5,
    "max-concurrency": 20,
}


class Server:
    """A running server.

    Attributes:
      url: Where it listens.
      directory: What it serves.
    """

    def __init__(
        self,
        directory: pathlib.Path,
        msg_gan: Sequence[str] = _MSG_GAN,
        **limits: float,
    ):
        self.directory = directory
        flags = [
            part
            for name, value in {**LIMITS, **limits}.items()
            for part in (f"--limits.{name}", str(value))
        ]
        self.process = subprocess.Popen(
            [
                *msg_gan,
                *("serve", "--model", str(directory), "--port", "0", *flags),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        match = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert match, line
        self.url = match[0]

    @property
    def model(self) -> str:
        return f"{self.url}/v1/models/msg_gan"

    def predict(self, **body: object) -> requests.Response:
        return requests.post(f"{self.model}:predict", json=body, timeout=30)

    def stop(self) -> str:
        """Ends the server; returns what it has printed."""
        self.process.terminate()
        output, _ = self.process.communicate(timeout=30)
        return output
