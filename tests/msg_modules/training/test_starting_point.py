"""Trainings that start from the weights of another one."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import shutil
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from msg_modules import cli
from msg_modules.common.errors import ConfigError, RunError
from msg_modules.configs import TrainConfig
from msg_modules.training import loop, starting_point


def _trainable(network: Any) -> list[np.ndarray]:
    return [variable.numpy() for variable in network.trainable_variables]


def _start_from(trained: Any, directory: pathlib.Path, **changes: Any) -> TrainConfig:
    return dataclasses.replace(
        trained.recipe, start_from=str(directory), seed=9, **changes
    )


@pytest.mark.slow
def test_both_networks_start_with_those_weights_and_nothing_else(
    trained: Any, tmp_path: pathlib.Path
):
    # One step of Adam moves each weight by at most the learning rate.
    rates = {"generator_learning_rate": 1e-6, "discriminator_learning_rate": 1e-6}
    recipe = _start_from(trained, trained.directory, steps=1, **rates)

    gan = loop.train(trained.model, recipe, trained.examples, tmp_path)

    for network in ("generator", "discriminator"):
        for seen, wanted in zip(
            _trainable(getattr(gan, network)),
            _trainable(getattr(trained.gan, network)),
            strict=True,
        ):
            np.testing.assert_allclose(seen, wanted, atol=2e-6)
    assert int(gan.step) == 1
    assert int(gan.generator_optimizer.iterations) == 1
    assert int(gan.discriminator_optimizer.iterations) == 1


@pytest.mark.slow
def test_an_interrupted_training_resumes_instead_of_starting_again(
    trained: Any, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture
):
    source = pathlib.Path(shutil.copytree(trained.directory, tmp_path / "source"))
    work = tmp_path / "work"
    half, whole = (_start_from(trained, source, steps=steps) for steps in (3, 6))
    straight = loop.train(trained.model, whole, trained.examples, tmp_path / "straight")
    assert f"starting from the weights of step 6 in {source}" in capsys.readouterr().out

    loop.train(trained.model, half, trained.examples, work)
    capsys.readouterr()
    resumed = loop.train(trained.model, whole, trained.examples, work)

    output = capsys.readouterr().out
    assert "resuming from step 3" in output
    assert "starting from" not in output
    for seen, wanted in zip(
        _trainable(resumed.generator), _trainable(straight.generator), strict=True
    ):
        assert np.linalg.norm(seen - wanted) <= 0.02 * np.linalg.norm(wanted) + 1e-8


def test_a_damaged_checkpoint_is_told_in_one_line(
    trained: Any, trained_copy: pathlib.Path, tmp_path: pathlib.Path
):
    (data,) = trained_copy.glob("checkpoints/ckpt-6.data*")
    data.write_bytes(data.read_bytes()[:-9])

    with pytest.raises(RunError, match=r"ckpt-6 is corrupt \(.*earlier") as caught:
        loop.train(
            trained.model,
            _start_from(trained, trained_copy),
            trained.examples,
            tmp_path / "new",
        )

    assert "\n" not in str(caught.value)


def test_the_fingerprint_is_that_of_the_last_checkpoint(trained_copy: pathlib.Path):
    before = starting_point.fingerprint(str(trained_copy))
    for path in trained_copy.glob("checkpoints/ckpt-3.*"):
        path.unlink()
    assert starting_point.fingerprint(str(trained_copy)) == before

    (data,) = trained_copy.glob("checkpoints/ckpt-6.data*")
    data.write_bytes(data.read_bytes()[:-1] + b"\0")
    assert starting_point.fingerprint(str(trained_copy)) != before


@pytest.mark.parametrize("content", [(), ("checkpoints",)])
def test_a_directory_without_checkpoints_is_refused(
    tmp_path: pathlib.Path, content: tuple[str, ...]
):
    for name in content:
        (tmp_path / name).mkdir()

    with pytest.raises(ConfigError, match=r"start_from is .* no checkpoints/.*; use"):
        starting_point.find(str(tmp_path))


@pytest.mark.slow
def test_the_command_trains_on_and_refuses_other_networks(
    trained: Any,
    write_examples: Callable,
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture,
):
    examples = tmp_path / "Split-train"
    write_examples(
        examples / "examples-00000-of-00001.gz", trained.examples.pyramid(slice(None))
    )

    def run(name: str, *flags: str) -> int:
        output = ["--examples", str(examples), "--output", str(tmp_path / name)]
        sizes = ["--train.batch-size", "8", "--train.steps", "1"]
        return cli.main(["train", *output, *sizes, *flags])

    assert run("first", "--model.latent-dim", "8") == 0
    source = tmp_path / "first" / "run"
    start = ("--train.start-from", str(source))
    capsys.readouterr()

    assert run("second", "--model.latent-dim", "8", *start) == 0
    assert "starting from the weights of step 1" in capsys.readouterr().out
    config = json.loads((tmp_path / "second" / "run" / "config.json").read_text())
    # Moved or renamed, it is the same starting point.
    assert config["train"]["start_from"] == starting_point.fingerprint(str(source))

    assert run("third", "--model.latent-dim", "9", *start) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "model.latent_dim: saved 8, now 9" in line
    assert run("fourth", "--model.latent-dim", "8", "--model.no-conditional", *start)
    (line,) = capsys.readouterr().err.splitlines()
    assert "images.classes: saved 1, now 0" in line
