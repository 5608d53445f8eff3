"""All that training changes, and one step of it."""

from __future__ import annotations

from collections.abc import Callable

import keras
import tensorflow as tf

from msg_modules.configs import ModelConfig, TrainConfig
from msg_modules.data.preprocessing import Pyramid
from msg_modules.gan import losses, networks, penalties

# Share of the images seen so far that the half-life of the average may reach:
# early on, the average follows the weights quickly (StyleGAN2-ADA,
# arXiv 2006.06676, training code).
_EMA_RAMP_UP = 0.05
# Far below the rounding of any gradient worth having, and far above float32's least.
_TINY = 1e-20

METRICS = (
    "generator_loss",
    "discriminator_loss",
    "real_accuracy",
    "fake_accuracy",
    "generator_gradient_norm",
    "discriminator_gradient_norm",
)


class Gan(tf.Module):
    """Both networks, their optimisers, the average and the step.

    Attributes:
      generator: Latents -> pyramid; what is trained.
      ema_generator: What is exported: the moving average of the generator, or
        the generator itself if no average is asked for. Always float32.
      discriminator: Pyramid -> logits.
      step: Number of finished steps, int64.
    """

    def __init__(self, model: ModelConfig, train: TrainConfig, num_replicas: int):
        """Builds everything; call it in the strategy's scope.

        Args:
          model: The networks.
          train: The recipe.
          num_replicas: Replicas that share each step.
        """
        super().__init__()
        keras.utils.set_random_seed(train.seed)
        self.generator, self.discriminator = networks.build(
            model.network, model.latent_dim, train.precision
        )
        self.ema_generator = self.generator
        if train.exports_copy:
            self.ema_generator = keras.models.clone_model(
                self.generator, clone_function=_in_float32
            )
            self.ema_generator.set_weights(self.generator.get_weights())
        self.generator_optimizer = _adam(
            self.generator, train.generator_learning_rate, train
        )
        self.discriminator_optimizer = _adam(
            self.discriminator, train.discriminator_learning_rate, train
        )
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False, name="step")
        self.global_batch_size = train.batch_size * num_replicas
        self._latent_dim = model.latent_dim
        self._train = train
        self._loss = losses.LOSSES[train.loss]

    def replica_step(self, images: Pyramid, with_penalty: bool) -> tf.Tensor:
        """Updates both networks from one pass through each.

        Call it in a replica context. The losses are summed over the replica's
        images and divided by the *global* batch size, so that the gradients,
        which the optimisers sum over the replicas, are those of the mean over
        the global batch.

        Args:
          images: The replica's part of the global batch.
          with_penalty: Whether to add the gradient penalties, a choice made when
            the step is traced.

        Returns:
          The replica's share of each of `METRICS`; they are summed over the
          replicas. A gradient's norm is thus the mean of the replicas' own.
        """
        latents = self._replica_rows(
            tf.random.stateless_normal, [self._latent_dim], stream=0
        )
        with tf.GradientTape() as generator_tape:
            fakes = tuple(self.generator(latents, training=True))
        both = tuple(
            tf.concat([real, fake], 0) for real, fake in zip(images, fakes, strict=True)
        )
        variables = self.discriminator.trainable_variables
        with tf.GradientTape() as tape:
            tape.watch(both)
            logits = self.discriminator(both, training=True)
        real_logits, fake_logits = tf.split(logits, 2)
        with tf.GradientTape(persistent=True) as loss_tape:
            loss_tape.watch([real_logits, fake_logits])
            generator_loss, discriminator_loss = self._losses(real_logits, fake_logits)
        real_slope, fake_slope = loss_tape.gradient(
            discriminator_loss, [real_logits, fake_logits]
        )
        generator_slope = loss_tape.gradient(generator_loss, fake_logits)

        # One pass back through the discriminator serves both networks. A logit depends
        # on its own image alone, so what a slope `s` at the logit sends back to the
        # image is `s` times the logit's gradient, and the generator's slope follows by
        # rescaling. A slope of the discriminator's loss that vanishes is sent back as
        # a tiny one: it adds nothing to the weights' gradients that float32 could
        # show, and can be divided by.
        fake_slope = tf.where(tf.abs(fake_slope) < _TINY, _TINY, fake_slope)
        discriminator_gradients, image_gradients = tape.gradient(
            logits, (variables, both), tf.concat([real_slope, fake_slope], 0)
        )
        scale = tf.reshape(generator_slope / fake_slope, [-1, 1, 1, 1])
        generator_gradients = generator_tape.gradient(
            fakes,
            self.generator.trainable_variables,
            [scale * tf.split(gradient, 2)[1] for gradient in image_gradients],
        )
        if with_penalty:
            # The last bias moves all logits alike and has no part in a penalty.
            discriminator_gradients = [
                gradient if extra is None else gradient + extra
                for gradient, extra in zip(
                    discriminator_gradients,
                    self._penalty_gradients(images, fakes),
                    strict=True,
                )
            ]
        self.discriminator_optimizer.apply(discriminator_gradients, variables)
        self.generator_optimizer.apply(
            generator_gradients, self.generator.trainable_variables
        )
        return tf.stack(
            [
                generator_loss,
                discriminator_loss,
                self._mean(tf.cast(real_logits > 0, tf.float32)),
                self._mean(tf.cast(fake_logits < 0, tf.float32)),
                tf.linalg.global_norm(generator_gradients),
                tf.linalg.global_norm(discriminator_gradients),
            ]
        )

    def update_average(self) -> None:
        """Moves the averaged weights towards the generator's.

        Batch-norm statistics are averaged like weights. Call it in the
        cross-replica context.
        """
        if self.ema_generator is self.generator:
            return
        batch = tf.cast(self.global_batch_size, tf.float32)
        images_seen = tf.cast(self.step, tf.float32) * batch
        half_life = tf.minimum(
            tf.cast(self._train.ema_half_life, tf.float32), images_seen * _EMA_RAMP_UP
        )
        keep = tf.where(half_life > 0, 0.5 ** (batch / half_life), 0.0)
        for average, weight in zip(
            self.ema_generator.variables, self.generator.variables, strict=True
        ):
            average.assign(weight + keep * (average - weight))

    def is_finite(self) -> bool:
        """Whether no weight of either network is NaN or infinite."""
        return all(
            bool(tf.reduce_all(tf.math.is_finite(variable)))
            for network in (self.generator, self.discriminator)
            for variable in network.trainable_variables
        )

    def _losses(self, real: tf.Tensor, fake: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The replica's share of the generator's and the discriminator's loss."""
        if self._loss.relative_to_average:
            real, fake = real - self._global_mean(fake), fake - self._global_mean(real)
        return (
            self._mean(self._loss.generator(real, fake)),
            self._mean(self._loss.discriminator(real, fake)),
        )

    def _penalty_gradients(
        self, real: Pyramid, fake: Pyramid
    ) -> list[tf.Tensor | None]:
        """Gradients of the penalties by the discriminator's weights.

        They are as strong as if they were added in every step (lazy
        regularisation: StyleGAN2, arXiv 1912.04958, appendix B).
        """
        train = self._train

        def discriminator(images: Pyramid) -> tf.Tensor:
            return self.discriminator(images, training=True)

        with tf.GradientTape() as tape:
            penalty = tf.zeros([train.batch_size])
            if train.r1_gamma:
                penalty += train.r1_gamma * penalties.squared_norm_penalty(
                    discriminator, real
                )
            if train.r2_gamma:
                penalty += train.r2_gamma * penalties.squared_norm_penalty(
                    discriminator, fake
                )
            if train.gradient_penalty:
                epsilon = self._replica_rows(tf.random.stateless_uniform, [], stream=1)
                penalty += train.gradient_penalty * penalties.gradient_penalty(
                    discriminator, real, fake, epsilon
                )
            total = train.penalty_interval * self._mean(penalty)
        return tape.gradient(total, self.discriminator.trainable_variables)

    def _replica_rows(
        self, draw: Callable[..., tf.Tensor], shape: list[int], stream: int
    ) -> tf.Tensor:
        """The replica's rows of numbers that depend on seed and step alone.

        Args:
          draw: A function of `tf.random.stateless_*`.
          shape: Shape of a row.
          stream: Numbers of another stream are independent.
        """
        rows = draw(
            [self.global_batch_size, *shape],
            seed=tf.stack([self._train.seed + (stream << 32), self.step]),
        )
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        batch = self._train.batch_size
        return rows[replica * batch : (replica + 1) * batch]

    def _global_mean(self, values: tf.Tensor) -> tf.Tensor:
        """Mean over the global batch, through which gradients flow."""
        share = self._mean(values)
        return tf.distribute.get_replica_context().all_reduce(
            tf.distribute.ReduceOp.SUM, share
        )

    def _mean(self, values: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(values) / self.global_batch_size


def _in_float32(layer: keras.Layer) -> keras.Layer:
    return type(layer).from_config({**layer.get_config(), "dtype": "float32"})


def _adam(
    network: keras.Model, learning_rate: float, train: TrainConfig
) -> keras.optimizers.Adam:
    optimizer = keras.optimizers.Adam(learning_rate, train.beta_1, train.beta_2)
    optimizer.build(network.trainable_variables)
    return optimizer
