"""Work directories of trainings: finding the one that belongs to some settings."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import pathlib
import shutil
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np

from msg_modules.common import console, files, locks
from msg_modules.common.errors import ConfigError
from msg_modules.configs import ModelConfig, TrainConfig
from msg_modules.data.examples import Examples
from msg_modules.gan import networks
from msg_modules.training import starting_point

# Everything a training writes; a directory named by the user may hold other files.
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
_LOCK = ".training.lock"
# Settings that may change when a training is resumed.
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
    # What counts is the global batch.
    "batch_size",
    "strategy",
    "replicas",
    "workers",
)

Settings = dict[str, dict[str, Any]]


def describe(
    model: ModelConfig,
    train: TrainConfig,
    examples: Examples,
    code: str,
    num_classes: int = 0,
    num_replicas: int = 1,
) -> Settings:
    """Collects everything that identifies a training.

    Args:
      model: Network settings.
      train: Training settings.
      examples: The training images.
      code: A hash of the code that determines the weights.
      num_classes: Number of classes to condition on; 0 for none.
      num_replicas: Number of replicas that share the global batch.

    Returns:
      Section -> name -> value, as in `config.json`. Without a starting point if it is
      the served version, which `retraining.settle` settles.

    Raises:
      ConfigError: If `train.start_from` has no checkpoint.
    """
    recipe = dataclasses.asdict(train)
    for name in _NOT_HYPERPARAMETERS:
        del recipe[name]
    recipe["global_batch_size"] = train.batch_size * num_replicas
    if train.deterministic or not networks.sees_global_batch(model.network):
        recipe["replicas"] = num_replicas
    recipe["start_from"] = train.start_directory and starting_point.fingerprint(
        train.start_directory
    )
    labels = examples.labels if num_classes else None
    images = {
        "number": len(examples),
        "fingerprint": fingerprint(examples.images, labels),
        "classes": num_classes,
        **dataclasses.asdict(examples.spec),
    }
    if train.deterministic:
        # Decides which of them a step sees.
        images["order"] = order(examples.images, labels)
    settings = {
        "model": dataclasses.asdict(model),
        "train": recipe,
        "images": images,
        "code": {"fingerprint": code},
    }
    return json.loads(json.dumps(settings))


def with_start(settings: Settings, start: str | None) -> Settings:
    """Replaces the starting point.

    Args:
      settings: The result of `describe`.
      start: The result of `starting_point.fingerprint`; None to train from scratch.
    """
    return {**settings, "train": {**settings["train"], "start_from": start}}


def holds(directory: pathlib.Path, settings: Settings) -> bool:
    """Whether the name of a directory is one that `by_settings` gives."""
    return directory.name.partition("-")[0] == name_of(settings)


def starting_point_of(directory: pathlib.Path) -> str | None:
    """Reads what the training in a directory started from.

    Args:
      directory: Work directory of a training, which `start_from` names.

    Returns:
      As for `with_start`.

    Raises:
      ConfigError: If its settings cannot be read.
    """
    return _read(directory, "train.start_from").get("train.start_from")


def fingerprint(images: np.ndarray, labels: np.ndarray | None = None) -> str:
    """Hashes a set of images, independent of their order.

    Args:
      images: `[num_images, ...]`.
      labels: int64 `[num_images]`, if they matter.

    Returns:
      16 hexadecimal digits: the sum of the hashes of the images.
    """
    total = 0
    for digest in _digests(images, labels):
        total = (total + int.from_bytes(digest, "big")) % 2**64
    return f"{total:016x}"


def order(images: np.ndarray, labels: np.ndarray | None = None) -> str:
    """Hashes a sequence of images.

    Args:
      images: `[num_images, ...]`.
      labels: int64 `[num_images]`, if they matter.

    Returns:
      16 hexadecimal digits.
    """
    total = hashlib.blake2b(digest_size=8)
    for digest in _digests(images, labels):
        total.update(digest)
    return total.hexdigest()


def _digests(images: np.ndarray, labels: np.ndarray | None) -> Iterator[bytes]:
    """Yields a hash of each image."""
    for number, image in enumerate(images):
        digest = hashlib.blake2b(image.tobytes(), digest_size=8)
        if labels is not None:
            digest.update(labels[number].tobytes())
        yield digest.digest()


def name_of(settings: Settings) -> str:
    """Hashes the settings into a unique name.

    Args:
      settings: The result of `describe`.

    Returns:
      16 hexadecimal digits.
    """
    text = json.dumps(settings, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def by_settings(root: str, settings: Settings, steps: int) -> pathlib.Path:
    """Finds the directory for these settings.

    Rerunning a command finds its unfinished training; changed settings start a new one
    in another directory, and the unfinished training that is left is named.

    Args:
      root: Parent of all work directories.
      settings: The result of `describe`.
      steps: Number of steps to train.

    Returns:
      The directory, for `opened`; it need not exist.
    """
    name = name_of(settings)
    directory = pathlib.Path(root) / name
    shorter = directory.with_name(f"{name}-{steps}")
    if shorter.is_dir() or max(_saved_steps(directory), default=0) > steps:
        # A shorter training must not overwrite a longer one.
        directory = shorter
    if not directory.exists():
        _name_unfinished(directory, settings)
    return directory


def _name_unfinished(directory: pathlib.Path, settings: Settings) -> None:
    """Prints which unfinished training is not resumed, and why."""
    new, found = _flat(settings), []
    for path in sorted(directory.parent.glob(f"*/{_CONFIG}")):
        step = max(_saved_steps(path.parent), default=0)
        if not step or (path.parent / _FINISHED).exists():
            continue
        with contextlib.suppress(ConfigError):  # Unreadable, and not asked for.
            old = _read(path.parent, "train.checkpoint_dir")
            changed = _changed(old, new)
            found.append((len(changed), -step, _listed(changed, old, new), path.parent))
    if found:
        _, step, shown, other = min(found)
        console.say(
            f"  starting a new training; the unfinished one at step {-step:,} in"
            f" {other} has other settings ({shown}) and is resumed with those only"
        )


def by_name(
    directory: str, settings: Settings, steps: int, allow_changed: bool
) -> pathlib.Path:
    """Checks the directory that the user named.

    Args:
      directory: The directory.
      settings: The result of `describe`.
      steps: Number of steps to train.
      allow_changed: Whether the training there may resume with other settings.

    Returns:
      The directory, for `opened`; it need not exist.

    Raises:
      ConfigError: If it holds another training, or one beyond `steps`.
    """
    path = pathlib.Path(directory)
    if saved := _saved_steps(path):
        _check_same(path, settings, allow_changed)
        if max(saved) > steps:
            raise ConfigError(
                f"train.steps is {steps} but the training in {directory!r} has reached"
                f" step {max(saved)}; use --train.steps {max(saved)} or more, or"
                " another --train.checkpoint-dir."
            )
    return path


def check_start(directory: str, settings: Settings) -> None:
    """Checks that a training can start from the weights of another one.

    Args:
      directory: Work directory of the other training, or a copy of its content.
      settings: The result of `describe`.

    Raises:
      ConfigError: If its settings cannot be read, or its networks are different.
    """
    old, new = _read(pathlib.Path(directory), "train.start_from"), _flat(settings)
    changed = [name for name in _changed(old, new) if _is_network(name)]
    if changed:
        raise ConfigError(
            f"train.start_from is {directory!r}, which holds a training of different"
            f" networks ({_listed(changed, old, new)}); use the same settings, or"
            " another --train.start-from."
        )


def _check_same(path: pathlib.Path, settings: Settings, allow_changed: bool) -> None:
    """Raises a ConfigError that lists all differences, unless they are allowed."""
    old, new = _read(path, "train.checkpoint_dir"), _flat(settings)
    changed = _changed(old, new)
    if not changed:
        return
    shown = _listed(changed, old, new)
    beginning = f"train.checkpoint_dir is {str(path)!r}, which holds another training"
    if any(_is_structure(name, old, new) for name in changed):
        raise ConfigError(
            f"{beginning}, of different networks ({shown}); use another"
            " --train.checkpoint-dir."
        )
    if not allow_changed:
        raise ConfigError(
            f"{beginning} ({shown}); use another --train.checkpoint-dir, or"
            " --train.allow-changed to resume with the new values."
        )


def _read(directory: pathlib.Path, field: str) -> dict[str, Any]:
    """Reads a training's settings, named as `_flat` does."""
    path = directory / _CONFIG
    try:
        return _flat(json.loads(path.read_text()))
    except (OSError, ValueError, AttributeError) as e:
        flag = field.replace("_", "-")
        raise ConfigError(
            f"{str(path)!r} cannot be read ({e}), so the settings of the training are"
            f" unknown; use another --{flag}."
        ) from e


def _changed(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    return [name for name in {**old, **new} if old.get(name) != new.get(name)]


def _listed(names: list[str], old: dict[str, Any], new: dict[str, Any]) -> str:
    return "; ".join(
        f"{name}: saved {old.get(name, 'nothing')}, now {new.get(name, 'nothing')}"
        for name in names
    )


def _is_structure(name: str, old: dict[str, Any], new: dict[str, Any]) -> bool:
    """Whether changing this setting makes the saved weights unusable."""
    if name in ("train.ema_half_life", "train.precision"):
        return _exports_copy(old) != _exports_copy(new)
    return _is_network(name) and (name in old or name.startswith("model."))


def _is_network(name: str) -> bool:
    """Whether the shapes of the networks depend on this setting."""
    return name in (
        "images.size",
        "images.channels",
        "images.scales",
        "images.classes",
        "model.network",
        "model.latent_dim",
    )


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
    return list(
        map(starting_point.step_of, starting_point.saved_checkpoints(directory))
    )


@contextlib.contextmanager
def opened(directory: pathlib.Path, settings: Settings) -> Iterator[None]:
    """Creates or reopens a work directory, and keeps other processes out of it.

    Args:
      directory: The result of `by_settings` or `by_name`.
      settings: The result of `describe`, for `config.json`.

    Raises:
      RunError: If another process is training there.
    """
    directory.mkdir(parents=True, exist_ok=True)
    in_use = (
        f"Another process is training in {str(directory)!r}; wait for it to finish, or"
        " use another --train.checkpoint-dir."
    )
    with locks.exclusive(directory / _LOCK, in_use):
        # A resumed training, or one in a directory named by the user, must not be
        # removed.
        (directory / _FINISHED).unlink(missing_ok=True)
        text = json.dumps(settings, indent=2, sort_keys=True) + "\n"
        files.write_whole(directory / _CONFIG, text)
        yield


def copy_content(source: pathlib.Path, target: pathlib.Path) -> None:
    """Copies what a training has written, and no other files in the directory."""
    for name in _CONTENT:
        path = source / name
        if path.is_dir():
            shutil.copytree(path, target / name, dirs_exist_ok=True)
        elif path.exists():
            shutil.copy2(path, target / name)


def mark_finished(directory: pathlib.Path, kept: Collection[str] = ()) -> None:
    """Marks a training as finished, and removes previously finished ones.

    Their models have been exported. This one stays, so that it can be extended.

    Args:
      directory: The result of `by_settings`; a directory named by the user is never
        marked, and so never removed.
      kept: Names of directories that stay as well.
    """
    (directory / _FINISHED).touch()
    for marker in directory.parent.glob(f"*/{_FINISHED}"):
        if marker.parent.name not in {directory.name, *kept}:
            shutil.rmtree(marker.parent, ignore_errors=True)
