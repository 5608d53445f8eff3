"""Trainings that are killed again and again, each a process of its own."""

from __future__ import annotations

import math
import os
import pathlib
import random
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np
import pytest

from msg_modules.training import reporting

pytestmark = pytest.mark.slow

KILLS = 22
# Another one gives other moments; those of a failure are in its message.
SEED = 20_240_607
_FORK_SERVER = pathlib.Path(__file__).parents[2] / "helpers" / "fork_server.py"


class Server:
    """The fork server, and the process that it has started last."""

    def __init__(self, repository: str):
        self._process = subprocess.Popen(
            [sys.executable, str(_FORK_SERVER)],
            cwd=repository,
            env={**os.environ, "PYTHONPATH": repository},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        assert self._answer() == "ready"

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().decode().strip()

    def start(self, directory: pathlib.Path) -> int:
        """Starts a training; its process id."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{directory}\n".encode())
        return int(self._answer())

    def is_running(self) -> bool:
        return not select.select([self._process.stdout], [], [], 0)[0]

    def status(self) -> int:
        """Waits for the process; its exit status, negative for a signal."""
        return int(self._answer())

    def close(self) -> None:
        self._process.communicate(timeout=60)


@pytest.fixture(scope="module")
def server(repository: str) -> Iterator[Server]:
    server = Server(repository)
    yield server
    server.close()


def _result(directory: pathlib.Path) -> list[np.ndarray]:
    with np.load(directory / "result.npz") as result:
        return [result[name] for name in result.files]


def _wait(directory: pathlib.Path, server: Server, writes: int, seconds: float) -> None:
    """Waits until so many checkpoints have begun to be written, or for so long."""
    kept = directory / "checkpoints"
    known = set(kept.glob("*_temp"))
    deadline = time.monotonic() + seconds
    while writes and time.monotonic() < deadline and server.is_running():
        time.sleep(0.001)
        now = set(kept.glob("*_temp"))
        writes -= bool(now - known)
        known = now


def _has_unfinished(directory: pathlib.Path) -> bool:
    """Whether files of a checkpoint lie there that the list does not name."""
    kept = directory / "checkpoints"
    if not kept.exists():
        return False
    listed = (kept / "checkpoint").read_text() if (kept / "checkpoint").exists() else ""
    names = {path.name.split(".")[0] for path in kept.glob("ckpt-*")}
    return any(f'"{name}"' not in listed for name in names)


def test_killed_at_random_moments_it_ends_with_the_weights_of_the_run_never_killed(
    server: Server, tmp_path: pathlib.Path
):
    start = time.monotonic()
    server.start(tmp_path / "whole")
    assert server.status() == 0
    seconds = time.monotonic() - start
    wanted = _result(tmp_path / "whole")

    moments = random.Random(SEED)
    directory = tmp_path / "killed"
    log = []
    for attempt in range(KILLS):
        pid = server.start(directory)
        # Every other time while a checkpoint is written, else at any time; never so
        # late that the training could come to its end before all kills.
        if attempt % 2:
            moment = {"writes": moments.randint(1, 3), "seconds": math.inf}
        else:
            moment = {"writes": 3, "seconds": moments.uniform(0, 0.6 * seconds)}
        delay = moments.uniform(0, 0.03)
        _wait(directory, server, **moment)
        time.sleep(delay)
        os.kill(pid, signal.SIGKILL)
        status = server.status()
        log.append((moment, delay, status, _has_unfinished(directory)))

    server.start(directory)
    assert server.status() == 0, log
    killed = sum(status == -signal.SIGKILL for _, _, status, _ in log)
    assert killed >= 20, log
    # Some of them were in a write, and left half a checkpoint.
    assert any(unfinished for *_, unfinished in log), log
    for seen, value in zip(_result(directory), wanted, strict=True):
        np.testing.assert_array_equal(seen, value, err_msg=str(log))
    # Each report is there, once. (A mean covers the steps since the last start.)
    steps = [line["step"] for line in reporting.read_stats(directory)]
    assert steps == list(range(5, 181, 5))
