"""Checkpoints of a training run."""

from __future__ import annotations

import pathlib
import re
import shutil

import tensorflow as tf

from msg_modules.common import console
from msg_modules.common.errors import ConfigError, RunError
from msg_modules.gan.step import Gan
from msg_modules.training.starting_point import step_of

# Raised by TensorFlow for a truncated or corrupt checkpoint.
_CORRUPT = (tf.errors.OpError, IndexError, ValueError)
# Raised by TensorFlow for a checkpoint of different networks.
_MISMATCH = (AssertionError, ValueError)
_NAME = re.compile(r"ckpt-(\d+)")


class Checkpoints:
    """Saves and restores everything a training run needs to resume.

    A checkpoint holds both networks, both optimizers with their learning rates, the
    weight average, the step, and how many times the learning rates were halved. The
    images and latents of a step depend only on the seed and the step, so there is no
    data position or random state to save, except the counters of dropout layers,
    which Keras leaves out of checkpoints.
    """

    def __init__(self, gan: Gan, directory: pathlib.Path, keep: int):
        """Opens the directory and removes partial files left by a killed process.

        Args:
          gan: The state to save and restore.
          directory: Work directory of the training; gets `checkpoints/`.
          keep: Number of newest checkpoints to keep.
        """
        self._gan = gan
        self._directory = directory / "checkpoints"
        self._halvings = tf.Variable(0, trainable=False)
        self._saved_step: int | None = None
        self._remove_unfinished()
        self._counters = _dropout_counters(gan)
        self._manager = tf.train.CheckpointManager(
            tf.train.Checkpoint(
                gan=gan, halvings=self._halvings, counters=self._counters
            ),
            str(self._directory),
            max_to_keep=keep,
            step_counter=gan.step,
        )

    @property
    def state(self) -> list[tf.Module | tf.Variable]:
        """Everything that is saved, except TensorFlow's save counter."""
        return [self._gan, self._halvings, *self._counters]

    @property
    def saved_step(self) -> int | None:
        """Step of the last checkpoint that was saved or restored."""
        return self._saved_step

    @property
    def halvings(self) -> int:
        """How many times the learning rates were halved."""
        return int(self._halvings.numpy())

    def restore(self) -> int:
        """Restores the latest checkpoint that can be read.

        Returns:
          The step to resume from, 0 if there is no checkpoint.

        Raises:
          ConfigError: If the checkpoint is of different networks.
          RunError: If all checkpoints are corrupt.
        """
        paths = self._saved_paths()
        if paths is None:
            paths = [
                str(path.with_suffix("")) for path in self._directory.glob("*.index")
            ]
        for path in sorted(paths, key=step_of, reverse=True):
            try:
                _read_through(path)
            except _CORRUPT as e:
                reason = str(e).splitlines()[0]
                console.warn(f"Skipping the corrupt checkpoint {path} ({reason}).")
                continue
            try:
                self._manager.checkpoint.restore(path).assert_consumed()
            except _MISMATCH as e:
                raise ConfigError(
                    f"The checkpoint {path} does not match the networks and optimizers"
                    " of these settings; use another --train.checkpoint-dir."
                ) from e
            self._saved_step = int(self._gan.step.numpy())
            return self._saved_step
        if paths:
            raise RunError(
                f"No checkpoint in {self._directory} can be read; delete that"
                " directory to train from scratch."
            )
        return 0

    def start_from(self, path: pathlib.Path) -> None:
        """Takes over the weights of another training's networks, and nothing else.

        Args:
          path: A checkpoint, without extension.

        Raises:
          ConfigError: If the checkpoint is of different networks.
          RunError: If it is corrupt.
        """
        try:
            _read_through(str(path))
        except _CORRUPT as e:
            raise RunError(
                f"The checkpoint {path} is corrupt ({str(e).splitlines()[0]}); delete"
                " its files to start from an earlier one."
            ) from e
        networks = tf.train.Checkpoint(
            generator=self._gan.generator,
            ema_generator=self._gan.ema_generator,
            discriminator=self._gan.discriminator,
        )
        try:
            status = tf.train.Checkpoint(gan=networks).restore(str(path))
            status.assert_existing_objects_matched().expect_partial()
        except _MISMATCH as e:
            raise ConfigError(
                f"The checkpoint {path} does not match the networks of these settings;"
                " use another --train.start-from."
            ) from e

    def go_back(self) -> int:
        """Restores the latest checkpoint and counts another halving.

        Returns:
          The step to resume from.

        Raises:
          RunError: If all checkpoints are corrupt.
        """
        halvings = self.halvings
        step = self.restore()
        self._halvings.assign(halvings + 1)
        return step

    def save(self) -> None:
        """Saves a checkpoint, unless this step is saved already."""
        step = int(self._gan.step.numpy())
        if step != self._saved_step:
            self._manager.save(checkpoint_number=step)
            self._saved_step = step

    def _saved_paths(self) -> list[str] | None:
        """Returns the complete checkpoints; None if the list cannot be read.

        From TensorFlow's own list, which names a checkpoint once it is fully on disk.
        `CheckpointManager.checkpoints` would be empty if the clock is behind that of
        the machine that saved them.
        """
        if not (self._directory / "checkpoint").exists():
            return []
        state = tf.train.get_checkpoint_state(str(self._directory))
        if state is not None and state.all_model_checkpoint_paths:
            return list(state.all_model_checkpoint_paths)
        return None

    def _remove_unfinished(self) -> None:
        paths = self._saved_paths()
        if paths is None:
            return
        complete = {step_of(path) for path in paths}
        for path in self._directory.glob("*"):
            name = _NAME.match(path.name)
            if path.is_dir() and path.name.endswith("_temp"):
                shutil.rmtree(path)
            elif path.name.startswith("checkpoint.tmp") or (
                name and int(name[1]) not in complete
            ):
                path.unlink()


def _read_through(path: str) -> None:
    """Reads every tensor, which makes TensorFlow verify all checksums."""
    reader = tf.train.load_checkpoint(path)
    for name in reader.get_variable_to_shape_map():
        reader.get_tensor(name)


def _dropout_counters(gan: Gan) -> list[tf.Variable]:
    return [
        variable.value
        for network in (gan.generator, gan.discriminator)
        for variable in network.non_trainable_variables
        if variable.path.endswith("seed_generator_state")
    ]
