"""Another training's last checkpoint, whose weights a training starts from."""

from __future__ import annotations

import hashlib
import pathlib

from msg_modules.common.errors import ConfigError


def saved_checkpoints(directory: str | pathlib.Path) -> list[pathlib.Path]:
    """Lists the checkpoints of a training, as `find` returns them, in any order."""
    paths = pathlib.Path(directory, "checkpoints").glob("ckpt-*.index")
    return [path.with_suffix("") for path in paths]


def find(directory: str) -> pathlib.Path:
    """Finds the last checkpoint of a training.

    Args:
      directory: Holds `checkpoints/`.

    Returns:
      The checkpoint's path without extension, as TensorFlow reads it.

    Raises:
      ConfigError: If there is none.
    """
    paths = saved_checkpoints(directory)
    if not paths:
        raise ConfigError(
            f"train.start_from is {directory!r}, which has no checkpoints/ckpt-*.index;"
            " use the directory of a training, e.g."
            " output/quickstart/Trainer/model_run/7."
        )
    return max(paths, key=step_of)


def step_of(checkpoint: pathlib.Path | str) -> int:
    """Returns the step in a checkpoint's name."""
    return int(str(checkpoint).rsplit("-", 1)[1])


def fingerprint(directory: str) -> str:
    """Hashes the last checkpoint of a training.

    Args:
      directory: Holds `checkpoints/`.

    Returns:
      16 hexadecimal digits.

    Raises:
      ConfigError: If there is none.
    """
    checkpoint = find(directory)
    digest = hashlib.sha256()
    for path in sorted(checkpoint.parent.glob(f"{checkpoint.name}.*")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
