"""Real processes, stopped half-way; the same command then goes on."""

from __future__ import annotations

import json
import pathlib
import re
import signal
import time
import weakref

import pytest
from forked_command import ForkedCommand
from local_pipeline import Pipeline

from msg_modules.metrics import judge
from pipeline.local import command

pytestmark = pytest.mark.slow

SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
LONG = ["--train.steps", "4000"]
NO_CHECKPOINT = [
    "--train.checkpoint-every",
    "1000000",
    "--train.checkpoint-seconds",
    "1e9",
]


def _stop_when(
    pipeline: Pipeline, pattern: str, number: signal.Signals, flags: list[str]
) -> tuple[int, str, str]:
    """Starts the command and sends it a signal once it prints a line."""
    process = ForkedCommand([*pipeline.flags, *flags], pipeline.root / "stopped")
    process.wait_for(pattern)
    # Into what the line announces.
    time.sleep(1)
    status = process.send(number)
    return status, process.output, process.error


def _resumed_from(output: str) -> int:
    """The step that a training resumed from, 0 if it began."""
    found = _numbers(r"resuming from step ([\d,]+)", output)
    assert len(found) <= 1
    return found[0] if found else 0


def _numbers(pattern: str, text: str) -> list[int]:
    return [int(number.replace(",", "")) for number in re.findall(pattern, text)]


@pytest.fixture(scope="module")
def pipeline(
    tmp_path_factory: pytest.TempPathFactory, garments_dir: pathlib.Path
) -> Pipeline:
    """A pipeline root of these tests' own: they push."""
    pipeline = Pipeline(tmp_path_factory.mktemp("interrupted"), garments_dir)
    assert command.main(pipeline.flags) == 0
    return pipeline


def test_signals_save_the_training_and_the_same_command_goes_on(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    served = pipeline.versions
    # Without a regular checkpoint: those resumed from were made by the signals.
    flags = [*LONG, *NO_CHECKPOINT, "--train.seed", "101"]
    stopped_at = 0
    for number, status in SIGNALS:
        returned, output, error = _stop_when(pipeline, r"^  step +\d", number, flags)
        assert returned == status, output + error
        (line,) = error.splitlines()
        assert "Interrupted in Trainer" in line
        assert "same command" in line
        assert pipeline.versions == served
        assert _resumed_from(output) >= stopped_at
        stopped_at = max(_numbers(r"step +([\d,]+)", output))
    # It ends early, so that the test does: how many steps there are is no
    # hyper-parameter of the training.
    run = pipeline.run(capsys, *flags, "--train.steps", str(stopped_at + 200))
    assert run.status == 0, run
    assert _resumed_from(run.output) >= stopped_at
    assert len(pipeline.versions) == len(served) + 1


def test_signals_while_the_training_starts_leave_the_directory_named_usable(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str], tmp_path: pathlib.Path
) -> None:
    served = pipeline.versions
    named = ["--train.checkpoint-dir", str(tmp_path / "mine")]
    seed = ["--train.seed", "201"]
    # While it is built and traced: before any step has been reported.
    flags = [*LONG, *NO_CHECKPOINT, *named, *seed]
    for number, status in SIGNALS:
        returned, output, error = _stop_when(
            pipeline, r"\] Trainer \.\.\.", number, flags
        )
        assert returned == status, output + error
        (line,) = error.splitlines()
        assert "Interrupted in Trainer" in line
        assert pipeline.versions == served

    # To the end, and then with other settings: refused until that is allowed.
    assert pipeline.run(capsys, *named, *seed).status == 0
    assert (tmp_path / "mine/checkpoints/ckpt-6.index").exists()
    changed = [*named, *seed, "--train.batch-size", "8", "--train.steps", "8"]
    run = pipeline.run(capsys, *changed)
    assert run.status == 1
    (line,) = run.error.splitlines()
    assert "train.global_batch_size: saved 16, now 8" in line
    assert "--train.allow-changed" in line
    run = pipeline.run(capsys, *changed, "--train.allow-changed")
    assert run.status == 0, run
    assert "resuming from step 6 of 8" in run.output
    # What has finished there is never removed.
    assert pipeline.run(capsys, "--train.seed", "300").status == 0
    assert (tmp_path / "mine/checkpoints/ckpt-8.index").exists()


def test_stops_in_beam_steps_leave_a_root_that_works(
    capsys: pytest.CaptureFixture[str],
    garments_dir: pathlib.Path,
    tmp_path: pathlib.Path,
) -> None:
    pipeline = Pipeline(tmp_path, garments_dir)
    for component, number, status in (
        ("TfdsExampleGen", signal.SIGKILL, -signal.SIGKILL),
        ("TfdsExampleGen", signal.SIGINT, 130),
        ("Transform", signal.SIGKILL, -signal.SIGKILL),
        ("Transform", signal.SIGTERM, 143),
    ):
        returned, output, error = _stop_when(
            pipeline, rf"\] {component} \.\.\.", number, flags=[]
        )
        assert returned == status, output + error
        if number != signal.SIGKILL:
            (line,) = error.splitlines()
            assert f"Interrupted in {component}" in line
        if component == "Transform" and number == signal.SIGKILL:
            # Not taken from what the interrupted step had written.
            assert "TfdsExampleGen: done" in output
    run = pipeline.run(capsys)
    assert run.status == 0, run
    assert run.outcomes["TfdsExampleGen"] == "cache hit"
    assert run.outcomes["Transform"] == "done"
    assert len(pipeline.versions) == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interruption_that_python_discards_leads_to_no_push(
    pipeline: Pipeline,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    evaluate = judge.evaluate

    def interrupted(*arguments: object) -> object:
        thing = {"signal"}
        reference = weakref.ref(thing, lambda _: signal.raise_signal(signal.SIGINT))
        del thing
        assert reference() is None
        return evaluate(*arguments)

    served = pipeline.versions
    with monkeypatch.context() as patch:
        patch.setattr(judge, "evaluate", interrupted)
        run = pipeline.run(capsys, "--train.seed", "400")
    assert run.status == 130
    (line,) = [line for line in run.error.splitlines() if line.startswith("error")]
    assert "Interrupted in GanEvaluator" in line
    assert pipeline.versions == served
    assert pipeline.run(capsys, "--train.seed", "400").status == 0
    assert len(pipeline.versions) == len(served) + 1


def test_kill_in_the_training_loses_no_checkpoint(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    served = pipeline.versions
    flags = [*LONG, "--train.checkpoint-every", "10", "--train.seed", "109"]
    process = ForkedCommand([*pipeline.flags, *flags], pipeline.root / "killed")
    process.wait_for(r"\] Trainer \.\.\.")
    deadline = time.monotonic() + 300
    while not (checkpoints := _checkpoints(pipeline, seed=109)):
        assert process.is_running
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert process.send(signal.SIGKILL) == -signal.SIGKILL
    assert pipeline.versions == served
    run = pipeline.run(capsys, *flags, "--train.steps", str(max(checkpoints) + 200))
    assert run.status == 0, run
    assert _resumed_from(run.output) >= max(checkpoints)
    assert len(pipeline.versions) == len(served) + 1


def _checkpoints(pipeline: Pipeline, seed: int) -> list[int]:
    """Steps of the checkpoints that are complete in the training with a seed."""
    for config in pipeline.root.glob("checkpoints/*/config.json"):
        if json.loads(config.read_text())["train"]["seed"] == seed:
            index = config.parent / "checkpoints" / "checkpoint"
            text = index.read_text() if index.exists() else ""
            return _numbers(r'all_model_checkpoint_paths: "ckpt-(\d+)"', text)
    return []
