"""The article's training, written as a reader would: step by step from Python.

"TensorFlow 2.0 in Practice" uses the networks of `--preset tutorial`, cross-entropy on
logits, and for each of them Adam(1e-3) and a gradient tape.
"""

from __future__ import annotations

import keras
import tensorflow as tf
import timing

from msg_modules.data.examples import Examples
from msg_modules.gan import networks

_LATENT_DIM = 100


class Training:
    """Both networks and their training loop.

    Attributes:
      generator: Latents `[batch, 100]` -> pyramid.
      discriminator: Pyramid -> logits.
      latent_dim: 100.
    """

    latent_dim = _LATENT_DIM

    def __init__(self, examples: Examples, batch_size: int):
        """Builds the networks.

        Args:
          examples: Training images.
          batch_size: Images per step.
        """
        self.generator, self.discriminator = networks.build(
            "tutorial", _LATENT_DIM, timing.FASHION
        )
        self._optimizers = keras.optimizers.Adam(1e-3), keras.optimizers.Adam(1e-3)
        self._batch_size = batch_size
        self._cross_entropy = keras.losses.BinaryCrossentropy(from_logits=True)
        self._batches = iter(
            tf.data.Dataset.from_tensor_slices(examples.pyramid(slice(None)))
            .shuffle(len(examples))
            .repeat()
            .batch(batch_size, drop_remainder=True)
            .prefetch(tf.data.AUTOTUNE)
        )

    def run(self, steps: int) -> None:
        """Trains for `steps` steps."""
        for _ in range(steps):
            losses = self._step(next(self._batches))
        _ = losses[0].numpy()

    @tf.function
    def _step(self, real: tuple[tf.Tensor, ...]) -> tuple[tf.Tensor, tf.Tensor]:
        noise = tf.random.normal([self._batch_size, _LATENT_DIM])
        with tf.GradientTape() as generator_tape, tf.GradientTape() as tape:
            generated = self.generator(noise, training=True)
            real_output = self.discriminator(list(real), training=True)
            fake_output = self.discriminator(generated, training=True)
            generator_loss = self._cross_entropy(tf.ones_like(fake_output), fake_output)
            discriminator_loss = self._cross_entropy(
                tf.ones_like(real_output), real_output
            ) + self._cross_entropy(tf.zeros_like(fake_output), fake_output)
        generator_gradients = generator_tape.gradient(
            generator_loss, self.generator.trainable_variables
        )
        gradients = tape.gradient(
            discriminator_loss, self.discriminator.trainable_variables
        )
        self._optimizers[0].apply_gradients(
            zip(generator_gradients, self.generator.trainable_variables, strict=True)
        )
        self._optimizers[1].apply_gradients(
            zip(gradients, self.discriminator.trainable_variables, strict=True)
        )
        return generator_loss, discriminator_loss
