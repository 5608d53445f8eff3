"""Which directory a training has, and which training a directory has."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pathlib
import shutil
from collections.abc import Sequence
from typing import Any

import numpy as np

from msg_modules.common import files
from msg_modules.common.errors import ConfigError
from msg_modules.configs import ModelConfig, TrainConfig

# What a training writes: a directory that the user named may hold more.
_CONTENT = (
    "config.json",
    "checkpoints",
    "draws",
    "samples",
    "stats.jsonl",
    "tensorboard",
)
_CONFIG = "config.json"
_FINISHED = "finished"
# What may differ between two runs of one training.
_NOT_HYPERPARAMETERS = (
    "steps",
    "report_every",
    "sample_every",
    "checkpoint_every",
    "checkpoint_seconds",
    "checkpoint_keep",
    "checkpoint_dir",
    "allow_changed",
    "divergence_retries",
)

Settings = dict[str, dict[str, Any]]


def describe(
    model: ModelConfig, train: TrainConfig, pyramids: Sequence[np.ndarray], code: str
) -> Settings:
    """All that tells one training from another.

    Args:
      model: The networks.
      train: The recipe.
      pyramids: The training images.
      code: A hash of the code that decides the weights.

    Returns:
      Names and values in sections, as in `config.json`.
    """
    recipe = dataclasses.asdict(train)
    for name in _NOT_HYPERPARAMETERS:
        del recipe[name]
    settings = {
        "model": dataclasses.asdict(model),
        "train": recipe,
        "images": {"number": len(pyramids[0]), "fingerprint": fingerprint(pyramids)},
        "code": {"fingerprint": code},
    }
    return json.loads(json.dumps(settings))


def fingerprint(pyramids: Sequence[np.ndarray]) -> str:
    """Names a set of images, in whatever order and files they lie.

    Args:
      pyramids: `[num_images, ...]` for each scale.

    Returns:
      Sixteen hexadecimal digits: the hash of the sorted hashes of the images.
    """
    digests = []
    for images in zip(
        *(np.ascontiguousarray(scale) for scale in pyramids), strict=True
    ):
        digest = hashlib.blake2b(digest_size=16)
        for image in images:
            digest.update(image)
        digests.append(digest.digest())
    return hashlib.blake2b(b"".join(sorted(digests)), digest_size=8).hexdigest()


def name_of(settings: Settings) -> str:
    """A name that only a training with these settings has.

    Args:
      settings: What `describe` returns.

    Returns:
      Sixteen hexadecimal digits.
    """
    text = json.dumps(settings, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def by_settings(root: str, settings: Settings, steps: int) -> pathlib.Path:
    """The directory of the training with these settings, beside those of others.

    The same command finds its own unfinished work there again, and another
    setting begins anew beside it.

    Args:
      root: Where all unfinished training is kept.
      settings: What `describe` returns.
      steps: Where the training ends.

    Returns:
      A directory that exists, with `config.json` in it.
    """
    name = name_of(settings)
    directory = pathlib.Path(root) / name
    if max(_saved_steps(directory), default=0) > steps:
        # A shorter training must not undo a longer one.
        directory = directory.with_name(f"{name}-{steps}")
    return _open(directory, settings)


def by_name(
    directory: str, settings: Settings, steps: int, allow_changed: bool
) -> pathlib.Path:
    """The directory that the user named as the home of one training.

    Args:
      directory: The directory.
      settings: What `describe` returns.
      steps: Where the training ends.
      allow_changed: Whether the training there may go on with other settings.

    Returns:
      The directory, with these settings in `config.json`.

    Raises:
      ConfigError: If another training lies there, or one that is further.
    """
    path = pathlib.Path(directory)
    if saved := _saved_steps(path):
        _check_same(path, settings, allow_changed)
        if max(saved) > steps:
            raise ConfigError(
                f"train.steps is {steps} and the training in {directory!r} has come to"
                f" step {max(saved)}; use --train.steps {max(saved)} or more, or"
                " another --train.checkpoint-dir."
            )
    return _open(path, settings)


def _check_same(path: pathlib.Path, settings: Settings, allow_changed: bool) -> None:
    """Raises a ConfigError that shows every difference that is not allowed."""
    try:
        there = json.loads((path / _CONFIG).read_text())
    except (OSError, ValueError) as e:
        raise ConfigError(
            f"{str(path / _CONFIG)!r} cannot be read ({e}), so the training in it is"
            " unknown; use another --train.checkpoint-dir."
        ) from e
    old, new = _flat(there), _flat(settings)
    changed = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    if not changed:
        return
    shown = "; ".join(
        f"{name}: {old.get(name, 'nothing')} there, {new.get(name, 'nothing')} now"
        for name in changed
    )
    beginning = f"train.checkpoint_dir is {str(path)!r}, which holds another training"
    if any(_is_structure(name, old, new) for name in changed):
        raise ConfigError(
            f"{beginning}, of other networks ({shown}); use another"
            " --train.checkpoint-dir."
        )
    if not allow_changed:
        raise ConfigError(
            f"{beginning} ({shown}); use another --train.checkpoint-dir, or"
            " --train.allow-changed to go on with the new values."
        )


def _is_structure(name: str, old: dict[str, Any], new: dict[str, Any]) -> bool:
    """Whether a change of it asks for other weights than were saved."""
    if name in ("train.ema_half_life", "train.precision"):
        return _exports_copy(old) != _exports_copy(new)
    return name.startswith("model.")


def _exports_copy(settings: dict[str, Any]) -> bool:
    return TrainConfig(
        ema_half_life=settings.get("train.ema_half_life", 0),
        precision=settings.get("train.precision", "float32"),
    ).exports_copy


def _flat(settings: Settings) -> dict[str, Any]:
    return {
        f"{section}.{name}": value
        for section, values in settings.items()
        for name, value in values.items()
    }


def _saved_steps(directory: pathlib.Path) -> list[int]:
    paths = (directory / "checkpoints").glob("ckpt-*.index")
    return [int(path.stem.split("-")[1]) for path in paths]


def _open(directory: pathlib.Path, settings: Settings) -> pathlib.Path:
    directory.mkdir(parents=True, exist_ok=True)
    # Gone on with, or named by the user, it is nobody's to remove.
    (directory / _FINISHED).unlink(missing_ok=True)
    text = json.dumps(settings, indent=2, sort_keys=True) + "\n"
    files.write_whole(directory / _CONFIG, text)
    return directory


def copy_content(source: pathlib.Path, target: pathlib.Path) -> None:
    """Copies what a training has written, and nothing else that lies there."""
    for name in _CONTENT:
        path = source / name
        if path.is_dir():
            shutil.copytree(path, target / name, dirs_exist_ok=True)
        elif path.exists():
            shutil.copy2(path, target / name)


def mark_finished(directory: pathlib.Path) -> None:
    """Notes that the training went to its end, and removes those before it.

    Their models have been exported. This one stays, to be gone on with.

    Args:
      directory: What `by_settings` returned; a directory that the user named is
        never marked, and so never removed.
    """
    (directory / _FINISHED).touch()
    for marker in directory.parent.glob(f"*/{_FINISHED}"):
        if marker.parent != directory:
            shutil.rmtree(marker.parent, ignore_errors=True)
