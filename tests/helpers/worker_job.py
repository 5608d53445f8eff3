"""Processes that train together on loopback, as the pods of a TFJob do."""

from __future__ import annotations

import json
import multiprocessing
import os
import pathlib
import re
import signal
import socket
import sys
import time
from collections.abc import Sequence
from multiprocessing.process import BaseProcess

# Its server imports TensorFlow once and runs nothing on it; each process is then
# a fork of it, without 14 s of imports.
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["msg_modules.training.run_fn"])
# A guard against a hang, wide enough for a machine with much else to do.
_DEADLINE_SECONDS = 1500.0
_WORKERS = (0, 1)


class WorkerJob:
    """Two workers; one that exits with an error is started again.

    Attributes:
      output: What the commands write, with a directory for each number of steps.
      scratch: Where the workers make temporary files.
      statuses: How each worker exited, from start to start.
    """

    def __init__(self, directory: pathlib.Path):
        self.output = directory / "output"
        self.scratch = directory / "scratch"
        self.scratch.mkdir()
        self.statuses: list[list[int]] = [[] for _ in _WORKERS]
        self._logs = directory
        self._addresses = [f"127.0.0.1:{_free_port()}" for _ in _WORKERS]

    def run(self, commands: Sequence[list[str]], kill: Sequence[int] = ()) -> None:
        """Runs the same commands in both workers, one after the other.

        Args:
          commands: Arguments of `msg-gan`.
          kill: Workers to kill one after the other, each when there is a newer
            checkpoint than at the kill before.
        """
        kills, seen = list(kill), 0
        deadline = time.monotonic() + _DEADLINE_SECONDS
        running = {worker: self._start(worker, commands) for worker in _WORKERS}
        try:
            while running:
                assert time.monotonic() < deadline, self.logs
                assert max(map(len, self.statuses)) < 10, self.logs
                newest = max(self.checkpoint_steps(), default=0)
                if kills and newest > seen and len(running) == len(_WORKERS):
                    os.kill(running[kills.pop(0)].pid or 0, signal.SIGKILL)
                    seen = newest
                for worker, process in list(running.items()):
                    process.join(0.01)
                    if process.exitcode is None:
                        continue
                    self.statuses[worker].append(process.exitcode)
                    del running[worker]
                    if process.exitcode:
                        running[worker] = self._start(worker, commands)
        finally:
            for process in running.values():
                process.kill()

    def checkpoint_steps(self) -> list[int]:
        """Steps of the checkpoints that are kept and listed, oldest first."""
        steps = []
        for path in self.output.glob("*/checkpoints/*/checkpoints/checkpoint"):
            found = re.findall(r'all_model_checkpoint_paths: "ckpt-(\d+)"', _read(path))
            steps.extend(map(int, found))
        return sorted(steps)

    def log(self, worker: int, stream: str) -> str:
        """What a worker printed, over all its starts."""
        return _read(self._logs / f"{stream}-{worker}")

    @property
    def logs(self) -> str:
        """How the workers exited, and all that they printed."""
        texts = [f"exit statuses: {self.statuses}"]
        for worker in _WORKERS:
            for stream in ("stdout", "stderr"):
                texts.append(f"{stream} of {worker}:\n{self.log(worker, stream)}")
        return "\n".join(texts)

    def _start(self, worker: int, commands: Sequence[list[str]]) -> BaseProcess:
        task = {"type": "worker", "index": worker}
        environment = {
            "TF_CONFIG": json.dumps(
                {"cluster": {"worker": self._addresses}, "task": task}
            ),
            "TMPDIR": str(self.scratch),
        }
        logs = [str(self._logs / f"{name}-{worker}") for name in ("stdout", "stderr")]
        process = _PROCESSES.Process(target=_work, args=(environment, logs, commands))
        process.start()
        return process


def _work(
    environment: dict[str, str], logs: Sequence[str], commands: Sequence[list[str]]
) -> None:
    """What a worker process does."""
    for number, path in enumerate(logs, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT), number)
    sys.stdout, sys.stderr = os.fdopen(1, "w", 1), os.fdopen(2, "w", 1)
    os.environ.update(environment)
    import tensorflow as tf

    from msg_modules import cli

    # Then a run can be compared bit for bit with one that was not disturbed.
    tf.config.experimental.enable_op_determinism()
    for command in commands:
        if status := cli.main(command):
            sys.exit(status)


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def _read(path: pathlib.Path) -> str:
    return path.read_text() if path.exists() else ""
