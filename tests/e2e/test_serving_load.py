"""The benchmarks of `msg-gan serve` run, and find nothing wrong."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys

import pytest

pytest.importorskip("fastapi")

_REPOSITORY = pathlib.Path(__file__).parents[2]


def _run(script: str, *flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(_REPOSITORY / "benchmarks" / script), *flags],
        # With few arenas, memory depends less on which threads happen to run when.
        env={**os.environ, "PYTHONPATH": str(_REPOSITORY), "MALLOC_ARENA_MAX": "2"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_load_with_pushes_and_failures() -> None:
    run = _run("serve_load.py", "--minutes", "0.5", "--change-seconds", "4")
    assert run.returncode == 0, run.stdout + run.stderr
    minute = "minute 1: [1-9][0-9,]* correct responses, 0 failures"
    assert re.search(minute, run.stdout), run.stdout


@pytest.mark.slow
def test_versions_in_succession_release_their_memory() -> None:
    run = _run("serve_versions.py", "--versions", "6")
    assert run.returncode == 0, run.stdout + run.stderr
