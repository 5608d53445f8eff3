"""What uv says on a platform that TFX has no packages for."""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import sys

import pytest

_REPOSITORY = pathlib.Path(__file__).parents[1]


def _error(platform: str) -> str:
    """What `uv run` says first, without line breaks."""
    if not shutil.which("uv"):
        pytest.skip("uv is not installed here")
    sync = ["uv", "sync", "--frozen", "--offline", "--dry-run"]
    run = subprocess.run(
        [*sync, "--python", sys.executable, "--python-platform", platform],
        cwd=_REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert run.returncode
    return " ".join(run.stderr.partition("error:")[2].partition("\n\n")[0].split())


@pytest.mark.parametrize(
    "platform",
    ["aarch64-unknown-linux-gnu", "x86_64-pc-windows-msvc", "x86_64-apple-darwin"],
)
def test_one_line_names_the_platforms_that_it_runs_on(platform: str) -> None:
    assert "`platform_machine == 'x86_64' and sys_platform == 'linux'`" in _error(
        platform
    )


def test_musl_is_told_that_a_wheel_is_missing() -> None:
    assert "wheel for the current platform" in _error("x86_64-unknown-linux-musl")
