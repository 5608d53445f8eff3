"""Trainings that start from the generator that is served."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any

import numpy as np
import pytest
from eight_bits import examples_of, quantised

from msg_modules import cli
from msg_modules.common.errors import ConfigError
from msg_modules.configs import ModelConfig, TrainConfig
from msg_modules.generator import origin
from msg_modules.training import retraining, served, starting_point, work_dirs

MODEL = ModelConfig(latent_dim=8)
RECIPE = TrainConfig(steps=10, start_from="served")
PIXELS = quantised(np.random.default_rng(0).uniform(-1, 1, [3, 28, 28, 1]))


class Site:
    """A serving directory and the trainings behind it, without any weights."""

    def __init__(self, root: pathlib.Path):
        self.serving, self.checkpoints = root / "serving", root / "checkpoints"

    def settings(self, pixels: np.ndarray = PIXELS, **changes: Any) -> Any:
        recipe = dataclasses.replace(RECIPE, **changes)
        return work_dirs.describe(MODEL, recipe, examples_of(pixels), "abc")

    def settle(self, pixels: np.ndarray = PIXELS, **changes: Any) -> Any:
        return retraining.settle(
            dataclasses.replace(RECIPE, **changes),
            self.settings(pixels, **changes),
            str(self.serving),
            str(self.checkpoints),
        )

    def train(self, settings: Any, step: int = 10) -> pathlib.Path:
        """What a finished training leaves."""
        directory = work_dirs.by_settings(str(self.checkpoints), settings, step)
        with work_dirs.opened(directory, settings):
            (directory / "checkpoints").mkdir(exist_ok=True)
            checkpoint = directory / "checkpoints" / f"ckpt-{step}.index"
            checkpoint.write_text(work_dirs.name_of(settings))
            work_dirs.mark_finished(directory, served.trainings(str(self.serving)))
        return directory

    def push(self, directory: pathlib.Path, version: int, step: int = 10) -> None:
        model = self.serving / str(version)
        model.mkdir(parents=True)
        origin.write(origin.Origin(directory.name, step, "content"), model)
        (model / "saved_model.pb").touch()

    def find(self) -> served.Served | None:
        return served.find(str(self.serving), str(self.checkpoints))


@pytest.fixture
def site(tmp_path: pathlib.Path) -> Site:
    return Site(tmp_path)


def test_before_the_first_push_training_starts_from_scratch(
    site: Site, capsys: pytest.CaptureFixture[str]
):
    assert site.find() is None

    config, settings = site.settle()

    assert config == dataclasses.replace(RECIPE, start_from=None)
    # Without the flag, it is the same training.
    assert settings == site.settings(start_from=None)
    (line,) = capsys.readouterr().out.splitlines()
    assert "no version is served" in line
    assert "from scratch" in line


def test_new_images_are_trained_on_from_the_served_training(
    site: Site, capsys: pytest.CaptureFixture[str]
):
    first = site.train(site.settings(start_from=None))
    site.push(first, 7)

    config, settings = site.settle(-PIXELS, steps=3)

    assert config == dataclasses.replace(RECIPE, start_from=str(first), steps=3)
    start = starting_point.fingerprint(str(first))
    assert settings["train"]["start_from"] == start
    (line,) = capsys.readouterr().out.splitlines()
    assert "training on from version 7" in line
    # Interrupted and started again, it is the same training.
    assert site.settle(-PIXELS, steps=3) == (config, settings)


def test_without_anything_new_the_served_training_is_reused(
    site: Site, capsys: pytest.CaptureFixture[str]
):
    first = site.train(site.settings(start_from=None))
    site.push(first, 7)

    # As many steps, or a recurring run that trains shorter than the first one.
    for steps in (10, 3):
        config, settings = site.settle(steps=steps)
        assert (config.start_from, config.steps) == (None, 10)
        assert settings == site.settings(start_from=None)
        (line,) = capsys.readouterr().out.splitlines()
        assert "nothing new since version 7" in line

    # Also one that was itself trained on.
    _, settings = site.settle(-PIXELS)
    site.push(site.train(settings), 8)
    assert site.settle(-PIXELS)[1] == settings
    assert "nothing new since version 8" in capsys.readouterr().out


def test_more_steps_go_on_with_the_served_training(
    site: Site, capsys: pytest.CaptureFixture[str]
):
    first = site.train(site.settings(start_from=None))
    site.push(first, 7)

    config, settings = site.settle(steps=20)

    assert (config.start_from, config.steps) == (None, 20)
    assert work_dirs.by_settings(str(site.checkpoints), settings, 20) == first
    assert "number of steps" in capsys.readouterr().out


@pytest.mark.parametrize("change", [{"seed": 1}, {"batch_size": 5}, {"augment": True}])
def test_other_settings_are_something_new(site: Site, change: dict[str, Any]):
    first = site.train(site.settings(start_from=None))
    site.push(first, 7)

    assert site.settle(**change)[0].start_from == str(first)


def test_a_rollback_decides_which_training_is_started_from(site: Site):
    first = site.train(site.settings(start_from=None))
    site.push(first, 7)
    second = site.train(site.settle(-PIXELS)[1])
    site.push(second, 8)
    found = site.find()
    assert found and (found.version, found.directory) == (8, second)
    before = found.fingerprint

    assert cli.main(["rollback", "--serving-dir", str(site.serving)]) == 0

    found = site.find()
    assert found and (found.version, found.directory) == (7, first)
    # So a cached training does not stand for another starting point.
    assert found.fingerprint != before


def test_trainings_that_are_or_may_be_served_keep_their_checkpoints(site: Site):
    first = site.train(site.settings(seed=1, start_from=None))
    site.push(first, 7)
    second = site.train(site.settings(seed=2, start_from=None))
    site.push(second, 8)
    unblessed = site.train(site.settings(seed=3, start_from=None))
    assert cli.main(["rollback", "--serving-dir", str(site.serving)]) == 0

    site.train(site.settings(seed=4, start_from=None))

    assert first.exists()
    assert second.exists()
    assert not unblessed.exists()
    # What cannot be served any more is not kept.
    serving = ["--serving-dir", str(site.serving)]
    assert cli.main(["rollback", *serving, "--to", "8"]) == 0
    assert cli.main(["prune", *serving, "--keep", "1"]) == 0
    site.train(site.settings(seed=5, start_from=None))
    assert not first.exists()
    assert second.exists()


def test_a_training_that_is_gone_or_unknown_is_told_in_one_line(site: Site):
    site.push(site.checkpoints / "0123456789abcdef", 7)
    with pytest.raises(ConfigError, match=r"serving/7.* no checkpoint in .*0123") as e:
        site.find()
    assert "\n" not in str(e.value)

    # Pushed by an earlier version of this project, or damaged.
    for content in (None, "", "[]", '{"training": "a"}'):
        record = site.serving / "7" / "assets.extra" / "training.json"
        record.unlink(missing_ok=True)
        if content is not None:
            record.write_text(content)
        with pytest.raises(ConfigError, match=r"serving/7' does not record its"):
            site.find()


def test_each_training_needs_a_directory_of_its_own():
    with pytest.raises(ConfigError, match=r"checkpoint_dir.*--train.start-from served"):
        TrainConfig(start_from="served", checkpoint_dir="/ckpt")


def test_the_command_asks_for_the_serving_directory(
    capsys: pytest.CaptureFixture[str], tmp_path: pathlib.Path
):
    paths = ["--examples", str(tmp_path), "--output", str(tmp_path / "output")]
    assert cli.main(["train", *paths, "--train.start-from", "served"]) == 2
    assert "--serving-dir" in capsys.readouterr().err
