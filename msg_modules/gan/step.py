"""The trainable state of the GAN, and one training step."""

from __future__ import annotations

from collections.abc import Callable

import keras
import tensorflow as tf

from msg_modules.configs import ModelConfig, TrainConfig
from msg_modules.data.image_spec import ImageSpec
from msg_modules.data.preprocessing import Pyramid
from msg_modules.gan import augmentation, losses, networks, penalties

# The half-life of the average is at most this fraction of the images seen so far, so
# that the average follows the weights quickly at the start (StyleGAN2-ADA,
# arXiv 2006.06676, training code).
_EMA_RAMP_UP = 0.05
# Far below the rounding error of any relevant gradient, far above float32's smallest
# number.
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
    """Both networks, their optimizers, the weight average and the step counter.

    Attributes:
      generator: Codes -> pyramid; the trained weights.
      ema_generator: The generator to export, always float32: the moving average, or
        `generator` itself if `exports_copy` is False.
      discriminator: Pyramid (and class weights) -> logits.
      step: Number of finished steps, int64.
    """

    def __init__(
        self,
        model: ModelConfig,
        train: TrainConfig,
        images: ImageSpec,
        num_replicas: int,
        num_classes: int = 0,
    ):
        """Builds the networks and optimizers; call it in the strategy's scope.

        Args:
          model: Network settings.
          train: Training settings.
          images: The images to generate.
          num_replicas: Number of replicas in sync.
          num_classes: Number of classes to condition on; 0 for none.
        """
        super().__init__()
        keras.utils.set_random_seed(train.seed)
        self.generator, self.discriminator = networks.build(
            model.network, model.latent_dim, images, train.precision, num_classes
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

    # No Python control flow depends on a tensor here, so AutoGraph would take seconds
    # for nothing.
    @tf.autograph.experimental.do_not_convert
    def replica_step(
        self,
        images: Pyramid,
        with_penalty: tf.Tensor | bool,
        classes: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Updates both networks from one forward pass through each.

        Call it in a replica context. Losses are summed over the replica's images and
        divided by the *global* batch size, so that the gradients, which the optimizers
        sum over replicas, are those of the mean over the global batch.

        Args:
          images: The replica's part of the global batch.
          with_penalty: Whether to add the gradient penalties, if the recipe has any;
            bool `[]`.
          classes: The images' classes, one-hot, float32 `[batch, num_classes]`; the
            generated images get the same ones. None if there are no classes.

        Returns:
          The replica's share of each of `METRICS`, to be summed over replicas. A
          gradient norm is therefore the mean of the replicas' own norms, not the norm
          of the global gradient.
        """
        latents = self._replica_rows(
            tf.random.stateless_normal, [self._latent_dim], stream=0
        )
        if classes is None:
            classes = tf.zeros([self._train.batch_size, 0])
        codes = tf.concat([latents, classes], 1)
        with tf.GradientTape() as generator_tape:
            fakes = tuple(self.generator(codes, training=True))
        both = tuple(
            tf.concat([real, fake], 0) for real, fake in zip(images, fakes, strict=True)
        )
        variables = self.discriminator.trainable_variables
        with tf.GradientTape() as tape:
            tape.watch(both)
            seen = self._augment(both)
            logits = self._discriminate(seen, tf.concat([classes, classes], 0))
        real_logits, fake_logits = tf.split(logits, 2)
        with tf.GradientTape(persistent=True) as loss_tape:
            loss_tape.watch([real_logits, fake_logits])
            generator_loss, discriminator_loss = self._losses(real_logits, fake_logits)
        real_slope, fake_slope = loss_tape.gradient(
            discriminator_loss, [real_logits, fake_logits]
        )
        generator_slope = loss_tape.gradient(generator_loss, fake_logits)

        # One backward pass through the discriminator serves both networks. A logit
        # depends only on its own image, so the image gradient for an upstream gradient
        # `s` at the logit is `s` times the gradient of the logit, and that of the
        # generator's loss follows by rescaling. Where the upstream gradient of the
        # discriminator's loss vanishes, a tiny one takes its place: it can be divided
        # by, and changes the weight gradients by less than float32 resolves.
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
        if self._train.has_penalty:
            real, fake = zip(*(tf.split(scale, 2) for scale in seen), strict=True)
            extras = tf.cond(
                tf.convert_to_tensor(with_penalty),
                lambda: self._penalty_gradients(real, fake, classes),
                lambda: [tf.zeros_like(variable) for variable in variables],
            )
            discriminator_gradients = [
                gradient + extra
                for gradient, extra in zip(discriminator_gradients, extras, strict=True)
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

    @tf.autograph.experimental.do_not_convert
    def update_average(self) -> None:
        """Updates the moving average of the generator's weights.

        Batch norm statistics are averaged too. Call it in cross-replica context.
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

    def learning_rates(self) -> dict[str, float]:
        """Returns both current learning rates, keyed by the names of the settings."""
        optimizers = {
            "generator_learning_rate": self.generator_optimizer,
            "discriminator_learning_rate": self.discriminator_optimizer,
        }
        return {
            name: float(keras.ops.convert_to_numpy(optimizer.learning_rate))
            for name, optimizer in optimizers.items()
        }

    def set_learning_rates(self, factor: float) -> None:
        """Sets both learning rates to those of the settings, times a factor."""
        train = self._train
        self.generator_optimizer.learning_rate = train.generator_learning_rate * factor
        self.discriminator_optimizer.learning_rate = (
            train.discriminator_learning_rate * factor
        )

    def is_finite(self) -> bool:
        """Whether all weights of both networks are finite."""
        return all(
            bool(tf.reduce_all(tf.math.is_finite(variable)))
            for network in (self.generator, self.discriminator)
            for variable in network.trainable_variables
        )

    def _augment(self, both: Pyramid) -> Pyramid:
        """Augments a batch of real images followed by as many generated ones."""
        if not self._train.augment:
            return both
        randoms = [
            self._replica_rows(
                tf.random.stateless_uniform, [augmentation.NUM_RANDOMS], stream
            )
            for stream in (2, 3)
        ]
        return augmentation.augment(both, tf.concat(randoms, 0))

    def _discriminate(self, images: Pyramid, classes: tf.Tensor) -> tf.Tensor:
        conditional = classes.shape[1] > 0
        inputs = (*images, classes) if conditional else images
        return self.discriminator(inputs, training=True)

    def _losses(self, real: tf.Tensor, fake: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the replica's share of the generator and discriminator losses."""
        if self._loss.relative_to_average:
            real, fake = real - self._global_mean(fake), fake - self._global_mean(real)
        return (
            self._mean(self._loss.generator(real, fake)),
            self._mean(self._loss.discriminator(real, fake)),
        )

    def _penalty_gradients(
        self, real: Pyramid, fake: Pyramid, classes: tf.Tensor
    ) -> list[tf.Tensor]:
        """Returns the penalties' gradients with respect to the discriminator's weights.

        They are scaled by the penalty interval, so that their mean strength is that of
        a penalty in every step (lazy regularization: StyleGAN2, arXiv 1912.04958,
        appendix B).
        """
        train = self._train

        def discriminator(images: Pyramid) -> tf.Tensor:
            return self._discriminate(images, classes)

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
        variables = self.discriminator.trainable_variables
        # The last bias shifts all logits equally, so it has no penalty gradient.
        return [
            tf.zeros_like(variable) if gradient is None else gradient
            for gradient, variable in zip(
                tape.gradient(total, variables), variables, strict=True
            )
        ]

    def _replica_rows(
        self, draw: Callable[..., tf.Tensor], shape: list[int], stream: int
    ) -> tf.Tensor:
        """Draws the replica's rows of a global batch of random numbers.

        They depend only on the seed, the step and the stream.

        Args:
          draw: One of `tf.random.stateless_*`.
          shape: Shape of a row.
          stream: Different streams are independent.
        """
        rows = draw(
            [self.global_batch_size, *shape],
            seed=tf.stack([self._train.seed + (stream << 32), self.step]),
        )
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        batch = self._train.batch_size
        return rows[replica * batch : (replica + 1) * batch]

    def _global_mean(self, values: tf.Tensor) -> tf.Tensor:
        """Returns the differentiable mean over the global batch."""
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
