from __future__ import annotations

import dataclasses
import json
import pathlib
import re
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
from eight_bits import examples_of, quantised

from msg_modules.common.errors import ConfigError, RunError
from msg_modules.configs import ModelConfig, TrainConfig
from msg_modules.training import work_dirs

MODEL = ModelConfig(latent_dim=8)
RECIPE = TrainConfig(batch_size=4)
PIXELS = quantised(np.random.default_rng(0).uniform(-1, 1, [3, 28, 28, 1]))
IMAGES = examples_of(PIXELS)


def _settings(
    model=MODEL, images=IMAGES, code="abc", devices=1, **changes
) -> work_dirs.Settings:
    recipe = dataclasses.replace(RECIPE, **changes)
    return work_dirs.describe(model, recipe, images, code, num_replicas=devices)


def _dir(root: pathlib.Path, **changes) -> pathlib.Path:
    settings = _settings(**changes)
    steps = changes.get("steps", RECIPE.steps)
    directory = work_dirs.by_settings(str(root), settings, steps)
    with work_dirs.opened(directory, settings):
        return directory


def _named(root: pathlib.Path, allow_changed: bool = False, **changes) -> pathlib.Path:
    settings = _settings(**changes)
    steps = changes.get("steps", RECIPE.steps)
    named = work_dirs.by_name(str(root / "mine"), settings, steps, allow_changed)
    with work_dirs.opened(named, settings):
        return named


def _save(directory: pathlib.Path, step: int) -> None:
    """As far as this module is concerned."""
    (directory / "checkpoints").mkdir(exist_ok=True)
    (directory / "checkpoints" / f"ckpt-{step}.index").touch()


# What changes nothing about which training it is.
SAME = {
    "nothing": {},
    "steps": {"steps": 7},
    "intervals": {
        "report_every": 3,
        "sample_every": 4,
        "checkpoint_every": 5,
        "checkpoint_seconds": 6.0,
        "checkpoint_keep": 7,
    },
    "place": {"checkpoint_dir": "elsewhere", "allow_changed": True},
    "retries": {"divergence_retries": 2},
    "order": {"images": examples_of(PIXELS[::-1])},
    "devices": {"devices": 2, "batch_size": 2, "strategy": "mirrored", "replicas": 2},
    "workers": {"devices": 4, "batch_size": 1, "strategy": "multi_worker"},
}
OTHER = [
    {"images": examples_of(-PIXELS)},
    {"images": examples_of(PIXELS[:2])},
    {"code": "abd"},
    {"seed": 1},
    {"batch_size": 5},
    {"generator_learning_rate": 2e-3},
    {"r1_gamma": 0.0},
    {"ema_half_life": 1000},
    {"decay": 0.2},
    {"deterministic": True},
    {"devices": 2},
]


@pytest.mark.parametrize("changes", SAME.values(), ids=SAME.keys())
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
        *OTHER,
        {"model": ModelConfig(latent_dim=9)},
        {"model": ModelConfig("tutorial", latent_dim=8)},
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


@pytest.mark.parametrize(
    ("first", "other"),
    [
        ({}, {"images": examples_of(PIXELS[::-1])}),
        ({}, {"devices": 2, "batch_size": 2}),
    ],
    ids=["order", "devices"],
)
def test_to_the_bit_it_must_be_the_same_order_and_devices(
    tmp_path: pathlib.Path, first: dict[str, object], other: dict[str, object]
):
    there = _dir(tmp_path, deterministic=True, **first)

    assert _dir(tmp_path, deterministic=True, **first) == there
    assert _dir(tmp_path, deterministic=True, **other) != there


def test_batch_norm_of_a_replica_makes_another_training(tmp_path: pathlib.Path):
    model = ModelConfig("tutorial", latent_dim=8)

    there = _dir(tmp_path, model=model)

    assert _dir(tmp_path, model=model, devices=2, batch_size=2) != there


def test_an_unfinished_training_that_is_not_resumed_is_named(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
):
    _save(_dir(tmp_path, seed=1, r1_gamma=1.0), 70)
    unfinished = _dir(tmp_path, seed=1)
    _save(unfinished, 50)
    finished = _dir(tmp_path, batch_size=8)
    _save(finished, 60)
    work_dirs.mark_finished(finished)
    capsys.readouterr()

    directory = _dir(tmp_path)

    (line,) = capsys.readouterr().out.splitlines()
    assert f"at step 50 in {unfinished} " in line
    assert "(train.seed: saved 1, now 0)" in line
    # It is left as it is, and its own settings resume it.
    _save(directory, 10)
    assert _dir(tmp_path, seed=1) == unfinished
    assert not capsys.readouterr().out


def test_two_processes_do_not_train_in_one_directory(tmp_path: pathlib.Path):
    directory = _dir(tmp_path)
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, pathlib\n"
            "from msg_modules.common import locks\n"
            "with locks.exclusive(pathlib.Path(sys.argv[1]), ''):\n"
            "    print('held', flush=True)\n"
            "    sys.stdin.read()",
            str(directory / ".training.lock"),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(RunError, match="Another process is training in") as caught:
            _dir(tmp_path)
        assert str(directory) in str(caught.value)
        # Another training may go on meanwhile.
        _dir(tmp_path, seed=1)
    finally:
        holder.kill()
        holder.wait()
    # A killed process holds nothing.
    assert _dir(tmp_path) == directory


def test_the_directory_says_what_it_is_for(tmp_path: pathlib.Path):
    settings = json.loads((_dir(tmp_path, seed=12) / "config.json").read_text())

    assert settings["model"] == {
        "network": "compact",
        "latent_dim": 8,
        "conditional": True,
    }
    assert settings["train"]["seed"] == 12
    assert settings["images"]["number"] == 3


def test_finished_work_is_removed_when_another_training_has_finished(
    tmp_path: pathlib.Path,
):
    finished, unfinished = _dir(tmp_path, seed=1), _dir(tmp_path, seed=2)
    work_dirs.mark_finished(finished)

    # One that only begins, and may fail, takes nothing away.
    third = _dir(tmp_path, seed=3)
    assert finished.exists()

    work_dirs.mark_finished(third)
    assert not finished.exists()
    assert unfinished.exists()
    assert third.exists()


def test_a_finished_training_that_goes_on_is_unfinished_again(tmp_path: pathlib.Path):
    first = _dir(tmp_path, steps=10)
    work_dirs.mark_finished(first)

    # Gone on with to more steps, and interrupted; then comes another training.
    assert _dir(tmp_path, steps=1000) == first
    work_dirs.mark_finished(_dir(tmp_path, seed=3))

    assert first.exists()


def test_a_directory_that_the_user_has_named_is_nobodys_to_remove(
    tmp_path: pathlib.Path,
):
    finished = _dir(tmp_path, seed=1)
    work_dirs.mark_finished(finished)
    settings = _settings(seed=1)
    named = work_dirs.by_name(str(finished), settings, 9, False)
    with work_dirs.opened(named, settings):
        pass

    work_dirs.mark_finished(_dir(tmp_path, seed=2))

    assert named.exists()


def test_a_shorter_training_leaves_the_longer_one_alone(tmp_path: pathlib.Path):
    longer = _dir(tmp_path, steps=9)
    for step in (6, 9):
        _save(longer, step)

    assert _dir(tmp_path, steps=6) != longer
    assert _dir(tmp_path, steps=12) == longer


@pytest.mark.parametrize("changes", SAME.values(), ids=SAME.keys())
def test_the_same_training_goes_on_in_the_directory_that_was_named(
    tmp_path: pathlib.Path, changes: dict[str, object]
):
    named = _named(tmp_path)
    assert named == tmp_path / "mine"
    _save(named, 5)
    before = (named / "config.json").read_text()

    assert _named(tmp_path, **changes) == named
    assert (named / "config.json").read_text() == before


@pytest.mark.parametrize("changes", OTHER, ids=lambda changes: "-".join(changes))
def test_another_training_is_refused_there_unless_the_change_is_allowed(
    tmp_path: pathlib.Path, changes: dict[str, object]
):
    named = _named(tmp_path)
    _save(named, 5)
    before = (named / "config.json").read_text()

    with pytest.raises(ConfigError) as caught:
        _named(tmp_path, **changes)

    message = str(caught.value)
    assert str(named) in message
    assert "--train.allow-changed" in message
    assert "\n" not in message
    assert (named / "config.json").read_text() == before

    assert _named(tmp_path, allow_changed=True, **changes) == named
    assert json.loads((named / "config.json").read_text()) == _settings(**changes)
    # From now on the new values are those of the training.
    _named(tmp_path, **changes)


def test_every_difference_is_shown_field_by_field(tmp_path: pathlib.Path):
    _save(_named(tmp_path, batch_size=64), 5)

    with pytest.raises(ConfigError) as caught:
        _named(tmp_path, batch_size=32, seed=9, code="def")

    for part in (
        "train.global_batch_size: saved 64, now 32",
        "train.seed: saved 0, now 9",
        "code.fingerprint: saved abc, now def",
    ):
        assert part in str(caught.value)
    assert "learning_rate" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({"model": ModelConfig(latent_dim=9)}, "model.latent_dim: saved 8, now 9"),
        ({"ema_half_life": 0}, "train.ema_half_life: saved 10000, now 0"),
    ],
)
def test_other_networks_are_refused_in_any_case(
    tmp_path: pathlib.Path, changes: dict[str, object], shown: str
):
    _save(_named(tmp_path), 5)

    with pytest.raises(ConfigError, match="different networks") as caught:
        _named(tmp_path, allow_changed=True, **changes)

    assert shown in str(caught.value)
    assert "allow-changed" not in str(caught.value)


def test_bfloat16_may_follow_float32_where_an_average_is_exported(
    tmp_path: pathlib.Path,
):
    average, plain = tmp_path / "average", tmp_path / "plain"
    _save(_named(average), 5)
    _save(_named(plain, ema_half_life=0), 5)

    _named(average, allow_changed=True, precision="bfloat16")
    # The checkpoint there holds no copy of the generator.
    with pytest.raises(ConfigError, match="different networks"):
        _named(plain, allow_changed=True, ema_half_life=0, precision="bfloat16")


def test_before_the_first_checkpoint_there_is_nothing_to_be_refused(
    tmp_path: pathlib.Path,
):
    _named(tmp_path)

    named = _named(tmp_path, seed=5)

    assert json.loads((named / "config.json").read_text()) == _settings(seed=5)


def test_fewer_steps_than_were_trained_are_refused(tmp_path: pathlib.Path):
    named = _named(tmp_path)
    _save(named, 9)

    with pytest.raises(ConfigError, match=r"steps is 6 .* step 9; use --train.steps 9"):
        _named(tmp_path, steps=6)
    assert _named(tmp_path, steps=9) == named


@pytest.mark.parametrize("content", [None, "", "{"])
def test_checkpoints_of_an_unknown_training_are_refused(
    tmp_path: pathlib.Path, content: str | None
):
    named = _named(tmp_path)
    _save(named, 9)
    (named / "config.json").unlink()
    if content is not None:
        (named / "config.json").write_text(content)

    with pytest.raises(ConfigError, match=r"config\.json.*cannot be read") as caught:
        _named(tmp_path)
    assert "\n" not in str(caught.value)


def test_only_what_a_training_wrote_is_copied(tmp_path: pathlib.Path):
    named = _named(tmp_path)
    _save(named, 9)
    (named / "stats.jsonl").write_text("{}\n")
    (named / "thesis.tex").touch()
    (tmp_path / "run").mkdir()

    work_dirs.copy_content(named, tmp_path / "run")

    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "checkpoints",
        "config.json",
        "stats.jsonl",
    ]
    assert (tmp_path / "run/checkpoints/ckpt-9.index").exists()


def test_images_are_told_apart_by_each_pixel_and_how_often_they_come(
    make_examples: Callable,
):
    images = make_examples(5).images
    wanted = work_dirs.fingerprint(images)
    assert re.fullmatch("[0-9a-f]{16}", wanted)

    assert work_dirs.fingerprint(images[[3, 0, 4, 1, 2]]) == wanted
    twice = np.concatenate([images, images[:2]])
    assert work_dirs.fingerprint(twice) != wanted
    # Twice another one.
    other = np.concatenate([images, images[1:3]])
    assert work_dirs.fingerprint(other) != work_dirs.fingerprint(twice)
    for place in ((4, 3, 2, 0), (0, 0, 0, 0), (2, 27, 27, 0)):
        changed = images.copy()
        changed[place] ^= 1
        assert work_dirs.fingerprint(changed) != wanted
