from __future__ import annotations

import dataclasses
import pathlib
import re
import shutil

import numpy as np
import pytest
import tensorflow as tf
from specs import FASHION

from msg_modules.common.errors import ConfigError, RunError
from msg_modules.configs import ModelConfig, TrainConfig
from msg_modules.gan.step import Gan
from msg_modules.training import checkpoints

MODEL = ModelConfig(latent_dim=8)
RECIPE = TrainConfig(batch_size=4)


def _kept(gan: Gan, directory: pathlib.Path) -> checkpoints.Checkpoints:
    return checkpoints.Checkpoints(gan, directory, keep=3)


def test_the_furthest_checkpoint_is_restored_whatever_was_saved_last(
    tmp_path: pathlib.Path,
):
    gan = _gan(0)
    kept = _kept(gan, tmp_path)
    for step in (8, 5):
        gan.step.assign(step)
        kept.save()

    assert _kept(_gan(1), tmp_path).restore() == 8


def _steps(directory: pathlib.Path) -> list[int]:
    paths = (directory / "checkpoints").glob("*.index")
    return sorted(int(path.stem.rsplit("-", 1)[1]) for path in paths)


def _gan(seed: int) -> Gan:
    return Gan(MODEL, dataclasses.replace(RECIPE, seed=seed), FASHION, 1)


def _variables(gan: Gan) -> list[tf.Variable]:
    return [
        *gan.generator.variables,
        *gan.discriminator.variables,
        *gan.ema_generator.variables,
        *gan.generator_optimizer.variables,
        *gan.discriminator_optimizer.variables,
        gan.step,
    ]


def _is_rate(variable: tf.Variable) -> bool:
    return getattr(variable, "path", "").endswith("learning_rate")


def _fill(gan: Gan, value: int) -> None:
    for place, variable in enumerate(_variables(gan)):
        if _is_rate(variable):
            continue  # the settings', halved so and so often
        number = value + place / 1000 if "float" in str(variable.dtype) else value
        variable.assign(np.full(variable.shape, number))


def _values(gan: Gan) -> list[np.ndarray]:
    return [variable.numpy() for variable in _variables(gan)]


def test_everything_comes_back(tmp_path: pathlib.Path):
    saved, restored = _gan(0), _gan(1)
    _fill(saved, 5)
    _kept(saved, tmp_path).save()

    step = _kept(restored, tmp_path).restore()

    assert step == 5
    for seen, wanted in zip(_values(restored), _values(saved), strict=True):
        np.testing.assert_array_equal(seen, wanted)


@pytest.fixture(scope="module")
def four_saved(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    directory = tmp_path_factory.mktemp("four")
    gan = _gan(0)
    kept = _kept(gan, directory)
    for step in (3, 9, 10, 100):
        _fill(gan, step)
        kept.save()
    return directory


def test_the_newest_three_are_kept(four_saved: pathlib.Path):
    names = {path.name for path in (four_saved / "checkpoints").glob("*.index")}

    assert names == {f"ckpt-{step}.index" for step in (9, 10, 100)}


def test_the_newest_checkpoint_is_restored(four_saved: pathlib.Path):
    gan = _gan(1)

    assert _kept(gan, four_saved).restore() == 100

    _fill(other := _gan(2), 100)
    for seen, value in zip(_values(gan), _values(other), strict=True):
        np.testing.assert_array_equal(seen, value)


@pytest.mark.parametrize(("keep", "wanted"), [(1, [100]), (2, [10, 100])])
def test_fewer_are_kept_if_wanted(
    four_saved: pathlib.Path, tmp_path: pathlib.Path, keep: int, wanted: list[int]
):
    shutil.copytree(four_saved, tmp_path, dirs_exist_ok=True)
    gan = _gan(0)
    kept = checkpoints.Checkpoints(gan, tmp_path, keep)
    kept.restore()
    gan.step.assign(101)
    kept.save()

    assert _steps(tmp_path) == [*wanted[1:], 101]


def test_without_a_checkpoint_training_begins_at_the_beginning(tmp_path: pathlib.Path):
    assert _kept(_gan(0), tmp_path).restore() == 0


def test_what_a_killed_process_was_about_to_save_is_cleared_away(
    tmp_path: pathlib.Path,
):
    gan = _gan(0)
    _fill(gan, 5)
    _kept(gan, tmp_path).save()
    directory = tmp_path / "checkpoints"
    before = sorted(path.name for path in directory.iterdir())
    half = directory / "ckpt-7_temp"
    half.mkdir()
    (half / "part-00000-of-00001.data-00000-of-00001").write_bytes(b"\0" * 100)
    (directory / "ckpt-7.data-00000-of-00001").write_bytes(b"\0" * 9)
    (directory / "ckpt-7.index").write_bytes(b"\0" * 9)
    (directory / "checkpoint.tmp0123456789abcdef").write_text("model_check")

    assert _kept(_gan(1), tmp_path).restore() == 5

    assert sorted(path.name for path in directory.iterdir()) == before


def test_a_kill_in_the_very_first_save_leaves_a_beginning(tmp_path: pathlib.Path):
    directory = tmp_path / "checkpoints"
    directory.mkdir()
    (directory / "ckpt-7.data-00000-of-00001").write_bytes(b"\0" * 9)
    (directory / "ckpt-7.index").write_bytes(b"\0" * 9)

    assert _kept(_gan(1), tmp_path).restore() == 0
    assert not list(directory.iterdir())


def test_checkpoints_are_found_though_their_list_is_lost(
    four_saved: pathlib.Path, tmp_path: pathlib.Path
):
    shutil.copytree(four_saved, tmp_path, dirs_exist_ok=True)
    (tmp_path / "checkpoints" / "checkpoint").write_bytes(b"\0" * 100)

    assert _kept(_gan(1), tmp_path).restore() == 100
    assert _steps(tmp_path) == [9, 10, 100]


def test_a_clock_that_is_behind_loses_no_checkpoint(
    four_saved: pathlib.Path, tmp_path: pathlib.Path
):
    shutil.copytree(four_saved, tmp_path, dirs_exist_ok=True)
    # As a machine whose clock is a day ahead has written it.
    state = tmp_path / "checkpoints" / "checkpoint"
    text = re.sub(
        r"(timestamps?: )([\d.e+]+)",
        lambda match: f"{match[1]}{float(match[2]) + 86400}",
        state.read_text(),
    )
    assert text != state.read_text()
    state.write_text(text)

    assert _kept(_gan(1), tmp_path).restore() == 100
    assert _steps(tmp_path) == [9, 10, 100]


def test_dropout_goes_on_with_its_own_random_numbers(tmp_path: pathlib.Path):
    model = ModelConfig("tutorial", latent_dim=8)
    saved, restored = (Gan(model, RECIPE, FASHION, 1) for _ in range(2))
    images = [tf.zeros([1, size, size, 1]) for size in (7, 14, 28)]
    saved.discriminator(images, training=True)
    _kept(saved, tmp_path).save()

    _kept(restored, tmp_path).restore()

    images = [tf.ones([1, size, size, 1]) for size in (7, 14, 28)]
    np.testing.assert_array_equal(
        restored.discriminator(images, training=True),
        saved.discriminator(images, training=True),
    )


def test_going_back_counts_halvings_and_later_runs_know(
    tmp_path: pathlib.Path,
):
    gan = _gan(0)
    kept = _kept(gan, tmp_path)
    gan.step.assign(4)
    kept.save()
    gan.step.assign(6)

    assert kept.go_back() == 4
    assert kept.go_back() == 4
    gan.step.assign(7)
    kept.save()

    assert kept.halvings == 2
    later = _kept(_gan(1), tmp_path)
    assert later.restore() == 7
    assert later.halvings == 2


def test_other_networks_are_told_from_damage(tmp_path: pathlib.Path):
    _kept(_gan(0), tmp_path).save()

    for model in (ModelConfig("tutorial", 8), ModelConfig(latent_dim=9)):
        with pytest.raises(ConfigError, match=r"does not match.*checkpoint-dir") as e:
            _kept(Gan(model, RECIPE, FASHION, 1), tmp_path).restore()
        assert "\n" not in str(e.value)


def _damage(path: pathlib.Path, how: str) -> None:
    content = bytearray(path.read_bytes())
    if how == "flipped":
        content[len(content) // 2] ^= 0xFF
    elif how == "truncated":
        del content[len(content) // 2 :]
    elif how == "without its end":
        del content[-1:]
    else:
        del content[:]
    path.write_bytes(content)


HOW = ["flipped", "truncated", "without its end", "empty"]


@pytest.mark.parametrize("kind", ["data", "index"])
@pytest.mark.parametrize("how", HOW)
def test_the_checkpoint_before_a_damaged_one_is_taken(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], how: str, kind: str
):
    gan = _gan(0)
    kept = _kept(gan, tmp_path)
    _fill(gan, 5)
    kept.save()
    wanted = _values(gan)
    _fill(gan, 8)
    kept.save()
    (path,) = (tmp_path / "checkpoints").glob(f"*-8.{kind}*")
    _damage(path, how)

    restored = _gan(1)
    assert _kept(restored, tmp_path).restore() == 5

    for value, want in zip(_values(restored), wanted, strict=True):
        np.testing.assert_array_equal(value, want)
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "Skipping the corrupt checkpoint" in shown
    assert "-8 (" in shown


@pytest.mark.parametrize("how", ["flipped", "truncated"])
def test_damaged_checkpoints_alone_end_the_run_with_the_remedy(
    tmp_path: pathlib.Path, how: str
):
    gan = _gan(0)
    _fill(gan, 5)
    _kept(gan, tmp_path).save()
    (data,) = (tmp_path / "checkpoints").glob("*.data-*")
    _damage(data, how)

    with pytest.raises(RunError, match="delete that directory") as raised:
        _kept(_gan(1), tmp_path).restore()
    assert str(tmp_path / "checkpoints") in str(raised.value)
