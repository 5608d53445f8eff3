"""The flags of the runners."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest
from refusals import status_of

from pipeline import flags
from pipeline.configs import PRESETS, PipelineConfig
from pipeline.local import command


def _parse(*argv: str) -> flags.RunnerArgs:
    return flags.parse(flags.RunnerArgs, argv, prog="runner", description="runs")


@pytest.mark.parametrize("preset", PRESETS)
def test_preset_gives_the_defaults(preset: str) -> None:
    assert _parse("--preset", preset).config == PRESETS[preset]


def test_quickstart_is_the_default() -> None:
    assert _parse().config == PRESETS["quickstart"]


def test_flag_overrides_one_field_of_the_preset() -> None:
    config = _parse("--train.steps", "7", "--preset", "tutorial").config
    assert config.train.steps == 7
    assert config.train.batch_size == 256
    assert config.model.network == "tutorial"


def test_tutorial_is_the_articles_recipe() -> None:
    train = PRESETS["tutorial"].train
    assert train.steps * train.batch_size >= 300 * 60_000
    assert (train.steps - 300) * train.batch_size < 300 * 60_000
    assert (train.generator_learning_rate, train.beta_1, train.beta_2) == (
        1e-3,
        0.9,
        0.999,
    )
    assert (train.r1_gamma, train.ema_half_life) == (0, 0)


@pytest.mark.parametrize(
    "flags",
    [
        ["--train.steps", "0"],
        ["--train.steps", "-3"],
        ["--train.steps", "many"],
        ["--train.batch-size", "0"],
        ["--train.generator-learning-rate", "-1"],
        ["--train.beta-1", "1"],
        ["--train.replicas", "2"],
        ["--pipeline-root", "gs://bucket/root"],
        ["--serving-dir", "gs://bucket/serving"],
        ["--train.checkpoint-dir", "s3://bucket/ckpt"],
        ["--data.max-examples", "0"],
        ["--data.eval-split", "train"],
        ["--model.network", "large"],
        ["--preset", "best"],
        ["--no-such-flag"],
    ],
)
def test_wrong_flag_ends_with_status_2_and_names_it(
    flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of(command.main, flags) == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    assert flags[0].lstrip("-").split(".")[-1].replace("-", "_") in error.replace(
        "-", "_"
    )


def test_help_shows_defaults_and_imports_neither_tensorflow_nor_tfx() -> None:
    code = (
        "import sys\n"
        "from pipeline.local import command\n"
        "try:\n"
        "    command.main(['--help', '--preset', 'tutorial'])\n"
        "except SystemExit as e:\n"
        "    assert not e.code\n"
        "sys.exit('tensorflow' in sys.modules or 'tfx' in sys.modules)\n"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert "--train.steps" in shown
    assert "70500" in shown
    assert "--preset" in shown


def test_a_process_of_a_job_is_told_to_train_without_the_pipeline(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(
        "TF_CONFIG",
        '{"cluster": {"worker": ["a:1", "b:1"]},'
        ' "task": {"type": "worker", "index": 1}}',
    )
    assert command.main([]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "TF_CONFIG" in line
    assert "msg-gan train" in line


def test_a_root_whose_first_run_recorded_nothing_was_not_moved(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "metadata.sqlite").touch()
    command._say_moved(PipelineConfig(pipeline_root=str(tmp_path)))
    assert not capsys.readouterr().out
