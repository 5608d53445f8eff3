"""Real processes, stopped half-way; the same command then goes on."""

from __future__ import annotations

import pathlib
import re
import signal
import subprocess
import time

import pytest
from local_pipeline import Pipeline

pytestmark = pytest.mark.slow

LONG = ["--train.steps", "4000", "--train.checkpoint-every", "10"]


def _stop_when(
    pipeline: Pipeline, pattern: str, number: signal.Signals, flags: list[str]
) -> tuple[int, str, str]:
    """Starts the command and sends it a signal once it prints a line."""
    with subprocess.Popen(
        pipeline.command(*flags),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        output = ""
        for line in process.stdout:
            output += line
            if re.search(pattern, line):
                # Into what the line announces.
                time.sleep(1)
                process.send_signal(number)
                break
        rest, error = process.communicate(timeout=120)
    return process.returncode, output + rest, error


def _go_on(
    pipeline: Pipeline,
    capsys: pytest.CaptureFixture[str],
    flags: list[str],
    output: str,
) -> tuple[int, int]:
    """Ends a stopped training; the step it said last, and the one it resumed from.

    It ends early, so that the test does: how many steps there are is no
    hyper-parameter of the training.
    """
    stopped_at = max(_numbers(r"step +([\d,]+)", output))
    run = pipeline.run(capsys, *flags, "--train.steps", str(stopped_at + 200))
    assert run.status == 0, run
    (resumed_from,) = _numbers(r"resuming from step ([\d,]+)", run.output)
    return stopped_at, resumed_from


def _numbers(pattern: str, text: str) -> list[int]:
    return [int(number.replace(",", "")) for number in re.findall(pattern, text)]


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_signal_saves_the_training_and_the_same_command_goes_on(
    pipeline: Pipeline,
    capsys: pytest.CaptureFixture[str],
    number: signal.Signals,
    status: int,
) -> None:
    served = pipeline.versions
    flags = [*LONG, "--train.seed", str(100 + number)]
    returned, output, error = _stop_when(pipeline, r"^  step +\d", number, flags)
    assert returned == status, output + error
    (line,) = error.splitlines()
    assert "Interrupted in Trainer" in line
    assert "same command" in line
    assert pipeline.versions == served
    stopped_at, resumed_from = _go_on(pipeline, capsys, flags, output)
    assert resumed_from >= stopped_at
    assert len(pipeline.versions) == len(served) + 1


@pytest.mark.parametrize(
    ("component", "number", "status"),
    [
        ("TfdsExampleGen", signal.SIGKILL, -signal.SIGKILL),
        ("TfdsExampleGen", signal.SIGINT, 130),
        ("Transform", signal.SIGKILL, -signal.SIGKILL),
        ("Transform", signal.SIGTERM, 143),
    ],
)
def test_stop_in_a_beam_step_leaves_a_root_that_works(
    capsys: pytest.CaptureFixture[str],
    garments_dir: pathlib.Path,
    tmp_path: pathlib.Path,
    component: str,
    number: signal.Signals,
    status: int,
) -> None:
    pipeline = Pipeline(tmp_path, garments_dir)
    returned, output, error = _stop_when(
        pipeline, rf"\] {component} \.\.\.", number, flags=[]
    )
    assert returned == status, output + error
    if number != signal.SIGKILL:
        (line,) = error.splitlines()
        assert f"Interrupted in {component}" in line
    run = pipeline.run(capsys)
    assert run.status == 0, run
    assert run.outcomes[component] == "done"
    assert len(pipeline.versions) == 1


def test_kill_in_the_training_loses_no_checkpoint(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    served = pipeline.versions
    flags = [*LONG, "--train.seed", "109"]
    returned, output, _ = _stop_when(pipeline, r"^  step +\d", signal.SIGKILL, flags)
    assert returned == -signal.SIGKILL
    assert pipeline.versions == served
    stopped_at, resumed_from = _go_on(pipeline, capsys, flags, output)
    assert resumed_from >= stopped_at - 10
    assert len(pipeline.versions) == len(served) + 1
