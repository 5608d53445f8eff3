from __future__ import annotations

import dataclasses
import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from msg_modules import checkpoints
from msg_modules.configs import ModelConfig, TrainConfig
from msg_modules.errors import RunError
from msg_modules.gan import Gan

MODEL = ModelConfig(latent_dim=8)
RECIPE = TrainConfig(batch_size=4)


def _dir(root: pathlib.Path, model=MODEL, data="examples/1", **changes) -> pathlib.Path:
    recipe = dataclasses.replace(RECIPE, **changes)
    return checkpoints.work_dir(str(root), model, recipe, data)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"steps": 7},
        {"report_every": 3, "sample_every": 4, "checkpoint_every": 5},
        {"checkpoint_dir": "elsewhere"},
    ],
    ids=["nothing", "steps", "intervals", "place"],
)
def test_the_same_training_finds_its_directory_again(
    tmp_path: pathlib.Path, changes: dict[str, object]
):
    first = _dir(tmp_path)
    (first / "work").touch()

    again = _dir(tmp_path, **changes)

    assert again == first
    assert (again / "work").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"model": ModelConfig(latent_dim=9)},
        {"model": ModelConfig("tutorial", latent_dim=8)},
        {"data": "examples/2"},
        {"seed": 1},
        {"batch_size": 5},
        {"generator_learning_rate": 2e-3},
        {"r1_gamma": 0.0},
        {"ema_half_life": 0},
    ],
    ids=lambda changes: "-".join(changes),
)
def test_another_training_has_a_directory_of_its_own(
    tmp_path: pathlib.Path, changes: dict[str, object]
):
    first, other = _dir(tmp_path), _dir(tmp_path, **changes)

    assert first != other
    assert first.parent == other.parent == tmp_path
    assert first.is_dir()
    assert other.is_dir()


def test_the_directory_says_what_it_is_for(tmp_path: pathlib.Path):
    settings = json.loads((_dir(tmp_path, seed=12) / "config.json").read_text())

    assert settings["model"] == {"network": "compact", "latent_dim": 8}
    assert settings["train"]["seed"] == 12
    assert settings["data"] == "examples/1"


def test_finished_work_is_removed_when_another_training_has_finished(
    tmp_path: pathlib.Path,
):
    finished, unfinished = _dir(tmp_path, seed=1), _dir(tmp_path, seed=2)
    checkpoints.mark_finished(finished)

    # One that only begins, and may fail, takes nothing away.
    third = _dir(tmp_path, seed=3)
    assert finished.exists()

    checkpoints.mark_finished(third)
    assert not finished.exists()
    assert unfinished.exists()
    assert third.exists()


def test_a_finished_training_that_goes_on_is_unfinished_again(tmp_path: pathlib.Path):
    first = _dir(tmp_path, steps=10)
    checkpoints.mark_finished(first)

    # Gone on with to more steps, and interrupted; then comes another training.
    assert _dir(tmp_path, steps=1000) == first
    checkpoints.mark_finished(_dir(tmp_path, seed=3))

    assert first.exists()


def test_a_shorter_training_leaves_the_longer_one_alone(tmp_path: pathlib.Path):
    gan, longer = _gan(0), _dir(tmp_path, steps=9)
    for step in (6, 9):
        gan.step.assign(step)
        checkpoints.Checkpoints(gan, longer).save()

    shorter = _dir(tmp_path, steps=6)

    assert shorter != longer
    assert checkpoints.Checkpoints(_gan(1), shorter).restore(up_to=6) == 0
    assert _dir(tmp_path, steps=12) == longer


def test_the_furthest_checkpoint_is_restored_whatever_was_saved_last(
    tmp_path: pathlib.Path,
):
    gan = _gan(0)
    kept = checkpoints.Checkpoints(gan, tmp_path)
    for step in (8, 5):
        gan.step.assign(step)
        kept.save()

    assert checkpoints.Checkpoints(_gan(1), tmp_path).restore(up_to=100) == 8


def _gan(seed: int) -> Gan:
    return Gan(MODEL, dataclasses.replace(RECIPE, seed=seed), 1)


def _variables(gan: Gan) -> list[tf.Variable]:
    return [
        *gan.generator.variables,
        *gan.discriminator.variables,
        *gan.ema_generator.variables,
        *gan.generator_optimizer.variables,
        *gan.discriminator_optimizer.variables,
        gan.step,
    ]


def _fill(gan: Gan, value: int) -> None:
    for place, variable in enumerate(_variables(gan)):
        number = value + place / 1000 if "float" in str(variable.dtype) else value
        variable.assign(np.full(variable.shape, number))


def _values(gan: Gan) -> list[np.ndarray]:
    return [variable.numpy() for variable in _variables(gan)]


def test_everything_comes_back(tmp_path: pathlib.Path):
    saved, restored = _gan(0), _gan(1)
    _fill(saved, 5)
    checkpoints.Checkpoints(saved, tmp_path).save()

    step = checkpoints.Checkpoints(restored, tmp_path).restore(up_to=5)

    assert step == 5
    for seen, wanted in zip(_values(restored), _values(saved), strict=True):
        np.testing.assert_array_equal(seen, wanted)


@pytest.fixture(scope="module")
def four_saved(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    directory = tmp_path_factory.mktemp("four")
    gan = _gan(0)
    kept = checkpoints.Checkpoints(gan, directory)
    for step in (3, 9, 10, 100):
        _fill(gan, step)
        kept.save()
    return directory


def test_the_newest_three_are_kept(four_saved: pathlib.Path):
    names = {path.name for path in (four_saved / "checkpoints").glob("*.index")}

    assert names == {f"ckpt-{step}.index" for step in (9, 10, 100)}


@pytest.mark.parametrize(("up_to", "wanted"), [(8, 0), (9, 9), (99, 10), (5000, 100)])
def test_the_newest_checkpoint_that_is_not_beyond_the_end_is_restored(
    four_saved: pathlib.Path, up_to: int, wanted: int
):
    gan = _gan(1)
    untouched = _values(gan)

    step = checkpoints.Checkpoints(gan, four_saved).restore(up_to)

    assert step == wanted == int(gan.step)
    expected = untouched
    if wanted:
        _fill(other := _gan(2), wanted)
        expected = _values(other)
    for seen, value in zip(_values(gan), expected, strict=True):
        np.testing.assert_array_equal(seen, value)


def test_without_a_checkpoint_training_begins_at_the_beginning(tmp_path: pathlib.Path):
    assert checkpoints.Checkpoints(_gan(0), tmp_path).restore(up_to=100) == 0


def test_what_a_killed_process_was_about_to_save_is_not_used(tmp_path: pathlib.Path):
    gan = _gan(0)
    _fill(gan, 5)
    checkpoints.Checkpoints(gan, tmp_path).save()
    half = tmp_path / "checkpoints" / "ckpt-7_temp"
    half.mkdir()
    (half / "part-00000-of-00001.data-00000-of-00001").write_bytes(b"\0" * 100)
    (tmp_path / "checkpoints" / "ckpt-7.data-00000-of-00001").write_bytes(b"\0" * 9)

    assert checkpoints.Checkpoints(_gan(1), tmp_path).restore(up_to=100) == 5


def _damage(data: pathlib.Path, how: str) -> None:
    content = bytearray(data.read_bytes())
    if how == "flipped":
        content[len(content) // 2] ^= 0xFF
    else:
        del content[len(content) // 2 :]
    data.write_bytes(content)


@pytest.mark.parametrize("how", ["flipped", "truncated"])
def test_the_checkpoint_before_a_damaged_one_is_taken(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], how: str
):
    gan = _gan(0)
    kept = checkpoints.Checkpoints(gan, tmp_path)
    _fill(gan, 5)
    kept.save()
    wanted = _values(gan)
    _fill(gan, 8)
    kept.save()
    (data,) = (tmp_path / "checkpoints").glob("*-8.data-*")
    _damage(data, how)

    restored = _gan(1)
    assert checkpoints.Checkpoints(restored, tmp_path).restore(up_to=100) == 5

    for value, want in zip(_values(restored), wanted, strict=True):
        np.testing.assert_array_equal(value, want)
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "-8 is damaged" in shown


@pytest.mark.parametrize("how", ["flipped", "truncated"])
def test_damaged_checkpoints_alone_end_the_run_with_the_remedy(
    tmp_path: pathlib.Path, how: str
):
    gan = _gan(0)
    _fill(gan, 5)
    checkpoints.Checkpoints(gan, tmp_path).save()
    (data,) = (tmp_path / "checkpoints").glob("*.data-*")
    _damage(data, how)

    with pytest.raises(RunError, match="delete that directory") as raised:
        checkpoints.Checkpoints(_gan(1), tmp_path).restore(up_to=100)
    assert str(tmp_path / "checkpoints") in str(raised.value)
