"""`msg-gan serve` in a process of its own."""

from __future__ import annotations

import concurrent.futures
import contextlib
import pathlib
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence

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

    @property
    def version(self) -> str:
        """The version that it serves."""
        return requests.get(f"{self.url}/healthz", timeout=30).json()["version"]

    def wait_for(self, version: str) -> None:
        until = time.monotonic() + 60
        while self.version != version:
            assert time.monotonic() < until
            time.sleep(0.1)

    @contextlib.contextmanager
    def sampled(self, clients: int = 4) -> Iterator[None]:
        """Samples without a pause during the block; every request must succeed."""
        stopped = threading.Event()

        def ask() -> tuple[int, set[int]]:
            count, statuses = 0, set()
            while not stopped.is_set():
                answer = self.predict(
                    signature_name="sample", inputs={"num_images": 2, "seed": count}
                )
                statuses.add(answer.status_code)
                count += 1
            return count, statuses

        with concurrent.futures.ThreadPoolExecutor(clients) as pool:
            asking = [pool.submit(ask) for _ in range(clients)]
            try:
                yield
            finally:
                stopped.set()
        for done in asking:
            count, statuses = done.result()
            assert count > 5
            assert statuses == {200}

    def stop(self) -> str:
        """Ends the server; returns what it has printed."""
        self.process.terminate()
        output, _ = self.process.communicate(timeout=30)
        return output
