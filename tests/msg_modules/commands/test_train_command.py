"""`msg-gan train`, in one process; test_multi_worker.py runs it in several."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable
from typing import Any

import pytest

from msg_modules import cli
from msg_modules.generator import sampling
from msg_modules.training import reporting


def _fails(capsys: pytest.CaptureFixture, *arguments: object) -> str:
    assert cli.main(["train", *map(str, arguments)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    return line


def test_examples_become_a_generator_and_pictures(
    trained: Any, write_examples: Callable, tmp_path: pathlib.Path
):
    examples, output = tmp_path / "Split-train", tmp_path / "output"
    write_examples(
        examples / "examples-00000-of-00001.gz", trained.examples.pyramid(slice(None))
    )
    flags = ["--model.latent-dim", "8", "--train.batch-size", "8"]
    command = ["train", "--examples", str(examples), "--output", str(output), *flags]

    assert cli.main([*command, "--train.steps", "1"]) == 0

    assert (output / "run" / "sheet.png").exists()
    assert [line["step"] for line in reporting.read_stats(output / "run")] == [1]
    images = sampling.load_generator(output / "model").sample(2, seed=0)
    assert [scale.shape for scale in images] == [
        (2, size, size, 1) for size in (7, 14, 28)
    ]


def test_a_directory_that_is_not_there_is_named(
    capsys: pytest.CaptureFixture, tmp_path: pathlib.Path
):
    examples = tmp_path / "nowhere"

    line = _fails(capsys, "--examples", examples, "--output", tmp_path / "output")

    assert str(examples) in line
    assert "Split-train" in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("named", [0, 1, 3])
def test_another_number_of_workers_than_tf_config_names_is_refused(
    named: int,
    capsys: pytest.CaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: pathlib.Path,
):
    addresses = [f"host{i}:2222" for i in range(named)]
    task = {"type": "worker", "index": 0}
    config = {"cluster": {"worker": addresses}, "task": task} if named else {}
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    flags = ["--examples", tmp_path, "--output", tmp_path, "--train.workers", "2"]

    line = _fails(capsys, *flags)

    assert f"train.workers is 2 but this process is one of {named or 1}" in line
    assert "TF_CONFIG" in line


def test_multi_worker_without_tf_config_is_refused(
    capsys: pytest.CaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: pathlib.Path,
):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    flags = ["--train.strategy", "multi_worker"]

    line = _fails(capsys, "--examples", tmp_path, "--output", tmp_path, *flags)

    assert "TF_CONFIG is not set" in line
