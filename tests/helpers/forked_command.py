"""`local_runner.py` in a process of its own, with which a test does something."""

from __future__ import annotations

import os
import pathlib
import re
import signal
import time

import forked_runner

_SECONDS = 300.0


class ForkedCommand:
    """A process that a server forked, which has imported everything."""

    def __init__(self, flags: list[str], log: pathlib.Path):
        """Starts it.

        Args:
          flags: Of `local_runner.py`.
          log: What it prints goes to `log` with the suffixes `.out` and `.err`.
        """
        self._files = log.with_suffix(".out"), log.with_suffix(".err")
        self._process = forked_runner.start(flags, *self._files)

    @property
    def output(self) -> str:
        return self._files[0].read_text()

    @property
    def error(self) -> str:
        return self._files[1].read_text()

    @property
    def is_running(self) -> bool:
        return self._process.is_alive()

    def wait_for(self, pattern: str) -> None:
        """Waits until it prints a line."""
        deadline = time.monotonic() + _SECONDS
        while not re.search(pattern, self.output, re.MULTILINE):
            assert self.is_running, self.output + self.error
            assert time.monotonic() < deadline, self.output
            time.sleep(0.02)

    def send(self, number: signal.Signals) -> int:
        """Sends a signal and waits; the exit status, negative if it was killed."""
        assert self._process.pid
        os.kill(self._process.pid, number)
        self._process.join(_SECONDS)
        assert self._process.exitcode is not None, self.output
        return self._process.exitcode
