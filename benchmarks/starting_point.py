"""The small GAN that this project began with, kept for comparison.

A generator with nearest-neighbour upsampling and 3x3 convolutions, a discriminator with
strided 4x4 convolutions, batch size 64, Adam(1e-3, 0.5, 0.99) for both, non-saturating
loss, R1 every 16 steps, and an exponential moving average of the generator with decay
0.98 per step; a single tape, and one `tf.function` call per step.
"""

from __future__ import annotations

import keras
import tensorflow as tf
from keras import layers

from msg_modules.data.examples import Examples

_BATCH_SIZE = 64
_R1_GAMMA, _R1_INTERVAL = 0.05, 16
_KEEP = 0.98


class Training:
    """Both networks and their training loop.

    Attributes:
      generator: Latents `[batch, 64]` -> pyramid; the moving average.
      latent_dim: 64.
    """

    latent_dim = 64

    def __init__(self, examples: Examples, batch_size: int = _BATCH_SIZE):
        """Builds the networks.

        Args:
          examples: Training images.
          batch_size: Images per step.
        """
        self._trained, self._discriminator = _generator(), _discriminator()
        self.generator = keras.models.clone_model(self._trained)
        self.generator.set_weights(self._trained.get_weights())
        self._optimizers = tuple(
            keras.optimizers.Adam(1e-3, beta_1=0.5, beta_2=0.99) for _ in range(2)
        )
        self._batch_size = batch_size
        self._batches = iter(
            tf.data.Dataset.from_tensor_slices(examples.pyramid(slice(None)))
            .shuffle(len(examples))
            .repeat()
            .batch(batch_size, drop_remainder=True)
            .prefetch(tf.data.AUTOTUNE)
        )
        self._count = 0

    def run(self, steps: int) -> None:
        """Trains for `steps` steps."""
        for _ in range(steps):
            loss = self._step(next(self._batches), self._count % _R1_INTERVAL == 0)
            self._count += 1
        _ = loss.numpy()

    @tf.function
    def _step(self, real: tuple[tf.Tensor, ...], with_penalty: bool) -> tf.Tensor:
        noise = tf.random.normal([self._batch_size, self.latent_dim])
        with tf.GradientTape(persistent=True) as tape:
            with tf.GradientTape() as image_tape:
                image_tape.watch(real)
                real_logits = self._discriminator(list(real), training=True)
            fake = self._trained(noise, training=True)
            fake_logits = self._discriminator(fake, training=True)
            generator_loss = tf.reduce_mean(tf.nn.softplus(-fake_logits))
            loss = tf.reduce_mean(
                tf.nn.softplus(-real_logits) + tf.nn.softplus(fake_logits)
            )
            if with_penalty:
                squares = [
                    tf.reduce_sum(tf.square(gradient), [1, 2, 3])
                    for gradient in image_tape.gradient(real_logits, real)
                ]
                penalty = tf.reduce_mean(tf.add_n(squares) / len(squares))
                loss += 0.5 * _R1_GAMMA * _R1_INTERVAL * penalty
        for network, optimizer, objective in (
            (self._trained, self._optimizers[0], generator_loss),
            (self._discriminator, self._optimizers[1], loss),
        ):
            gradients = tape.gradient(objective, network.trainable_variables)
            optimizer.apply_gradients(
                zip(gradients, network.trainable_variables, strict=True)
            )
        for average, weight in zip(
            self.generator.variables, self._trained.variables, strict=True
        ):
            average.assign(_KEEP * average + (1 - _KEEP) * weight)
        return loss


def _generator() -> keras.Model:
    latents = keras.Input([Training.latent_dim])
    x = layers.Dense(7 * 7 * 64, use_bias=False)(latents)
    x = layers.Reshape([7, 7, 64])(_norm_relu(x))
    x = _norm_relu(layers.Conv2D(64, 3, padding="same", use_bias=False)(x))
    pyramid = [layers.Conv2D(1, 1, activation="tanh")(x)]
    for channels, kernel_size in ((32, 1), (16, 3)):
        x = layers.UpSampling2D()(x)
        x = _norm_relu(layers.Conv2D(channels, 3, padding="same", use_bias=False)(x))
        pyramid.append(
            layers.Conv2D(1, kernel_size, padding="same", activation="tanh")(x)
        )
    return keras.Model(latents, pyramid)


def _discriminator() -> keras.Model:
    pyramid = [keras.Input([size, size, 1]) for size in (7, 14, 28)]
    x = _leaky(layers.Conv2D(16, 3, padding="same")(pyramid[2]))
    x = _leaky(layers.Conv2D(32, 4, strides=2, padding="same")(x))
    x = layers.Concatenate()([x, layers.Conv2D(8, 1)(pyramid[1])])
    x = _leaky(layers.Conv2D(64, 4, strides=2, padding="same")(x))
    x = layers.Concatenate()([x, layers.Conv2D(16, 1)(pyramid[0])])
    x = _leaky(layers.Conv2D(64, 3, strides=2, padding="same")(x))
    return keras.Model(pyramid, layers.Dense(1)(layers.Flatten()(x)))


def _norm_relu(x: keras.KerasTensor) -> keras.KerasTensor:
    return layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))


def _leaky(x: keras.KerasTensor) -> keras.KerasTensor:
    return layers.LeakyReLU(negative_slope=0.2)(x)
