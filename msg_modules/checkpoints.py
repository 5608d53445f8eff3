"""Keeping unfinished training, so that nothing of it is lost."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pathlib
import shutil

import tensorflow as tf

from msg_modules import console
from msg_modules.configs import ModelConfig, TrainConfig
from msg_modules.errors import RunError
from msg_modules.gan import Gan

_MAX_TO_KEEP = 3
# What TensorFlow raises for a truncated or altered checkpoint.
_DAMAGED = (tf.errors.OpError, AssertionError, IndexError, ValueError)
_FINISHED = "finished"
# What may differ between two runs of one training.
_NOT_HYPERPARAMETERS = (
    "steps",
    "report_every",
    "sample_every",
    "checkpoint_every",
    "checkpoint_dir",
)


def work_dir(
    checkpoint_dir: str, model: ModelConfig, train: TrainConfig, data: str
) -> pathlib.Path:
    """The directory of one training: that network, that recipe, those images.

    The same command finds its own unfinished work there again, and another
    setting begins anew beside it.

    Args:
      checkpoint_dir: Where all unfinished training is kept.
      model: The networks.
      train: The recipe.
      data: What names the images, such as the path of the examples.

    Returns:
      A directory that exists, with `config.json` in it.
    """
    recipe = {
        key: value
        for key, value in dataclasses.asdict(train).items()
        if key not in _NOT_HYPERPARAMETERS
    }
    identity = {"model": dataclasses.asdict(model), "train": recipe, "data": data}
    text = json.dumps(identity, indent=2, sort_keys=True)
    name = hashlib.sha256(text.encode()).hexdigest()[:16]
    directory = pathlib.Path(checkpoint_dir) / name
    if _last_step(directory) > train.steps:
        # A shorter training must not undo a longer one.
        directory = directory.with_name(f"{name}-{train.steps}")
    directory.mkdir(parents=True, exist_ok=True)
    (directory / _FINISHED).unlink(missing_ok=True)
    (directory / "config.json").write_text(text + "\n")
    return directory


def _last_step(directory: pathlib.Path) -> int:
    """The step of the newest checkpoint, 0 if there is none."""
    paths = (directory / "checkpoints").glob("ckpt-*.index")
    return max((int(path.stem.split("-")[1]) for path in paths), default=0)


def mark_finished(directory: pathlib.Path) -> None:
    """Notes that the training went to its end, and removes those before it.

    Their models have been exported. This one stays, to be gone on with.
    """
    (directory / _FINISHED).touch()
    for marker in directory.parent.glob(f"*/{_FINISHED}"):
        if marker.parent != directory:
            shutil.rmtree(marker.parent, ignore_errors=True)


class Checkpoints:
    """Checkpoints of a `Gan`: networks, optimisers, average and step."""

    def __init__(self, gan: Gan, directory: pathlib.Path):
        """Opens the directory.

        Args:
          gan: What is saved and restored.
          directory: What `work_dir` returns.
        """
        self._gan = gan
        self._manager = tf.train.CheckpointManager(
            tf.train.Checkpoint(gan=gan),
            str(directory / "checkpoints"),
            max_to_keep=_MAX_TO_KEEP,
            step_counter=gan.step,
        )

    def restore(self, up_to: int) -> int:
        """Restores the newest checkpoint that is not beyond the wanted end.

        Args:
          up_to: Last step of the training.

        Returns:
          The step to go on from, 0 if there is none.

        Raises:
          RunError: If every such checkpoint is damaged.
        """
        steps = {
            int(path.rsplit("-", 1)[1]): path for path in self._manager.checkpoints
        }
        paths = [steps[step] for step in sorted(steps, reverse=True) if step <= up_to]
        for path in paths:
            try:
                self._manager.checkpoint.restore(path).assert_consumed()
            except _DAMAGED as e:
                reason = str(e).splitlines()[0]
                console.warn(f"The checkpoint {path} is damaged ({reason}).")
            else:
                return int(self._gan.step.numpy())
        if paths:
            raise RunError(
                f"No checkpoint in {self._manager.directory} can be read; delete that"
                " directory to train from the start."
            )
        return 0

    def save(self) -> str:
        """Saves the present state; returns its path."""
        return self._manager.save(checkpoint_number=self._gan.step)
