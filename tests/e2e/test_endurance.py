"""The benchmark that disturbs runs does so, and finds nothing lost."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys

import pytest

_REPOSITORY = pathlib.Path(__file__).parents[2]
_ENDURANCE = _REPOSITORY / "benchmarks" / "endurance.py"


@pytest.mark.slow
def test_a_few_disturbances(tmp_path: pathlib.Path) -> None:
    flags = ["--first-only", "--disturbances", "2", "--plain", "0"]
    run = subprocess.run(
        [sys.executable, str(_ENDURANCE), *flags],
        env={
            **os.environ,
            "PYTHONPATH": str(_REPOSITORY),
            "TMPDIR": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    rows = re.findall(r"^\| ([\w -]+?) +\| (\d+) +\|.*\| (\d+) +\|$", run.stdout, re.M)
    assert sum(int(times) for _, times, _ in rows) >= 2
    assert {lost for *_, lost in rows} == {"0"}
    # What is mounted is unmounted, and nothing stays.
    assert not list(tmp_path.glob("endurance-*"))
