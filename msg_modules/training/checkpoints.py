"""Keeping unfinished training, so that nothing of it is lost."""

from __future__ import annotations

import pathlib
import re
import shutil

import keras
import tensorflow as tf

from msg_modules.common import console
from msg_modules.common.errors import ConfigError, RunError
from msg_modules.gan.step import Gan

# What TensorFlow raises for a truncated or altered checkpoint, and for one of other
# networks.
_DAMAGED = (tf.errors.OpError, IndexError, ValueError)
_OTHER = (AssertionError, ValueError)
_NAME = re.compile(r"ckpt-(\d+)")


class Checkpoints:
    """Checkpoints of a `Gan`: all that a training needs to go on.

    These are both networks, both optimisers with their learning rates, the
    average, the step, and how often the learning rates were halved. Which images
    and which latents a step sees depends on the seed and the step alone, so that
    there is neither a position in the data nor a random state to keep; but for
    the counters of dropout layers, which Keras leaves out of checkpoints.
    """

    def __init__(self, gan: Gan, directory: pathlib.Path, keep: int):
        """Opens the directory and clears away what a killed process left half done.

        Args:
          gan: What is saved and restored; its learning rates are those of the
            settings.
          directory: Directory of the training; gets `checkpoints/`.
          keep: How many checkpoints are kept, the newest ones.
        """
        self._gan = gan
        self._directory = directory / "checkpoints"
        self._rates = self.learning_rates()
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
        """Everything that is saved, but for TensorFlow's count of the saves."""
        return [self._gan, self._halvings, *self._counters]

    @property
    def saved_step(self) -> int | None:
        """Step of the newest checkpoint that was saved or restored here."""
        return self._saved_step

    @property
    def halvings(self) -> int:
        """How often the learning rates were halved."""
        return int(self._halvings.numpy())

    def learning_rates(self) -> dict[str, float]:
        """The present learning rate of each network, named as in the settings."""
        return {
            name: float(keras.ops.convert_to_numpy(optimizer.learning_rate))
            for name, optimizer in self._optimizers().items()
        }

    def restore(self) -> int:
        """Restores the furthest checkpoint that can be read.

        The learning rates are the settings', halved as often as in the checkpoint.

        Returns:
          The step to go on from, 0 if there is none.

        Raises:
          ConfigError: If it is one of other networks.
          RunError: If every checkpoint is damaged.
        """
        paths = self._saved_paths()
        if paths is None:
            paths = [
                str(path.with_suffix("")) for path in self._directory.glob("*.index")
            ]
        for path in sorted(paths, key=_step_of, reverse=True):
            try:
                _read_through(path)
            except _DAMAGED as e:
                reason = str(e).splitlines()[0]
                console.warn(f"The checkpoint {path} is damaged ({reason}).")
                continue
            try:
                self._manager.checkpoint.restore(path).assert_consumed()
            except _OTHER as e:
                raise ConfigError(
                    f"The checkpoint {path} is of other networks or optimisers than"
                    " these and cannot be continued; use another"
                    " --train.checkpoint-dir."
                ) from e
            self._set_learning_rates()
            self._saved_step = int(self._gan.step.numpy())
            return self._saved_step
        if paths:
            raise RunError(
                f"No checkpoint in {self._directory} can be read; delete that"
                " directory to train from the start."
            )
        return 0

    def go_back(self) -> int:
        """Restores the furthest checkpoint and halves the learning rates.

        Returns:
          The step to go on from.

        Raises:
          RunError: If every checkpoint is damaged.
        """
        halvings = self.halvings
        step = self.restore()
        self._halvings.assign(halvings + 1)
        self._set_learning_rates()
        return step

    def save(self) -> None:
        """Saves the present state, unless this step is saved already."""
        step = int(self._gan.step.numpy())
        if step != self._saved_step:
            self._manager.save(checkpoint_number=step)
            self._saved_step = step

    def _optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        return {
            "generator_learning_rate": self._gan.generator_optimizer,
            "discriminator_learning_rate": self._gan.discriminator_optimizer,
        }

    def _set_learning_rates(self) -> None:
        for name, optimizer in self._optimizers().items():
            optimizer.learning_rate = self._rates[name] * 0.5**self.halvings

    def _saved_paths(self) -> list[str] | None:
        """What was saved completely; None if the list of it cannot be read.

        From TensorFlow's own list, which names a checkpoint once all of it is on
        the disk. `CheckpointManager.checkpoints` would be empty where the clock
        is behind that of the machine which saved them.
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
        complete = {_step_of(path) for path in paths}
        for path in self._directory.glob("*"):
            name = _NAME.match(path.name)
            if path.is_dir() and path.name.endswith("_temp"):
                shutil.rmtree(path)
            elif path.name.startswith("checkpoint.tmp") or (
                name and int(name[1]) not in complete
            ):
                path.unlink()


def _step_of(path: str) -> int:
    return int(path.rsplit("-", 1)[1])


def _read_through(path: str) -> None:
    """Reads every tensor, so that TensorFlow compares all checksums."""
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
