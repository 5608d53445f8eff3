"""`local_runner.py` in processes of their own that need not import TensorFlow."""

from __future__ import annotations

import multiprocessing
import os
import pathlib
import re
import signal
import sys
import time

_IMPORTED_ONCE = [
    "msg_modules.runs.results",
    "msg_modules.training.run_fn",
    "pipeline.datasets",
    "pipeline.local.runner",
    "pipeline.pipeline",
]
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
        for path in self._files:
            path.write_text("")
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(_IMPORTED_ONCE)
        self._process = context.Process(target=_become, args=(flags, *self._files))
        self._process.start()

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


def _become(flags: list[str], *files: pathlib.Path) -> None:
    for path, stream in zip(files, (sys.stdout, sys.stderr), strict=True):
        os.dup2(os.open(path, os.O_WRONLY | os.O_APPEND), stream.fileno())
    from pipeline.local import command

    sys.exit(command.main(flags))
