"""This project's training loop, run in slices by the benchmarks."""

from __future__ import annotations

import tensorflow as tf
import timing

from msg_modules.configs import ModelConfig, TrainConfig
from msg_modules.data.batches import training_dataset
from msg_modules.data.examples import Examples
from msg_modules.gan import schedule
from msg_modules.gan.compiled_steps import compile_steps
from msg_modules.gan.step import Gan
from msg_modules.training.run_fn import choose_classes


class Training:
    """Both networks and the training loop of `msg_modules.training`.

    Attributes:
      gan: The networks in training.
      generator: The generator that would be exported.
      latent_dim: Length of a latent vector.
      classes: The classes that it is conditioned on.
    """

    def __init__(
        self,
        examples: Examples,
        model: ModelConfig,
        recipe: TrainConfig,
        in_memory: bool = False,
    ):
        """Builds the networks.

        Args:
          examples: Training images.
          model: Network settings.
          recipe: Training settings.
          in_memory: Reuse a single batch, to measure the cost of the input pipeline.
        """
        self.classes = choose_classes(model, examples)
        self.gan = Gan(model, recipe, timing.FASHION, 1, len(self.classes))
        self.generator, self.latent_dim = self.gan.ema_generator, model.latent_dim
        batches = training_dataset(
            examples,
            replica_batch_size=recipe.batch_size,
            num_replicas=1,
            seed=recipe.seed,
            num_classes=len(self.classes),
        )
        if in_memory:
            batches = batches.take(1).cache().repeat()
        self._batches = iter(batches)
        self._decay = recipe.decay
        self._run = compile_steps(
            tf.distribute.get_strategy(), self.gan, recipe, has_clock=True
        )

    def run(self, steps: int, progress: float = 0.0) -> None:
        """Trains.

        Args:
          steps: Number of steps.
          progress: Share of the training that is done, in [0, 1], for the learning
            rates.
        """
        self.gan.set_learning_rates(schedule.rate_factor(self._decay, progress))
        _ = self._run(self._batches, tf.constant(steps)).sums.numpy()
