"""All that training changes, and one step of it."""

from __future__ import annotations

import keras
import tensorflow as tf

from msg_modules import losses, models
from msg_modules.configs import ModelConfig, TrainConfig
from msg_modules.preprocessing import Pyramid

# Share of the images seen so far that the half-life of the average may reach:
# early on, the average follows the weights quickly (StyleGAN2-ADA,
# arXiv 2006.06676, training code).
_EMA_RAMP_UP = 0.05

METRICS = ("generator_loss", "discriminator_loss", "real_accuracy", "fake_accuracy")


class Gan(tf.Module):
    """Both networks, their optimisers, the average and the step.

    Attributes:
      generator: Latents -> pyramid; what is trained.
      ema_generator: What is exported: the moving average of the generator, or
        the generator itself if no average is asked for.
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
        self.generator, self.discriminator = models.build(
            model.network, model.latent_dim
        )
        self.ema_generator = self.generator
        if train.ema_half_life:
            self.ema_generator = keras.models.clone_model(self.generator)
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
        """Updates both networks from one pair of forward passes.

        Call it in a replica context. The losses are summed over the replica's
        images and divided by the *global* batch size, so that the gradients,
        which the optimisers sum over the replicas, are those of the mean over
        the global batch.

        Args:
          images: The replica's part of the global batch.
          with_penalty: Whether to add the R1 penalty, a choice made when the
            step is traced.

        Returns:
          The replica's share of each of `METRICS`; they are summed over the
          replicas.
        """
        latents = self._replica_latents()
        with tf.GradientTape(persistent=True) as tape:
            with tf.GradientTape(watch_accessed_variables=False) as image_tape:
                image_tape.watch(images)
                real_logits = self.discriminator(images, training=True)
            fakes = self.generator(latents, training=True)
            fake_logits = self.discriminator(fakes, training=True)
            generator_loss = self._mean(self._loss.generator(real_logits, fake_logits))
            discriminator_loss = self._mean(
                self._loss.discriminator(real_logits, fake_logits)
            )
            objective = discriminator_loss
            if with_penalty:
                penalty = losses.r1_penalty(image_tape.gradient(real_logits, images))
                # Lazy regularisation: as strong on average as in every step.
                weight = self._train.r1_gamma * self._train.r1_interval
                objective += weight * self._mean(penalty)
        for network, optimizer, loss in (
            (self.generator, self.generator_optimizer, generator_loss),
            (self.discriminator, self.discriminator_optimizer, objective),
        ):
            variables = network.trainable_variables
            optimizer.apply(tape.gradient(loss, variables), variables)
        return tf.stack(
            [
                generator_loss,
                discriminator_loss,
                self._mean(tf.cast(real_logits > 0, tf.float32)),
                self._mean(tf.cast(fake_logits < 0, tf.float32)),
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

    def _replica_latents(self) -> tf.Tensor:
        """The replica's rows of latents that depend on seed and step alone."""
        latents = tf.random.stateless_normal(
            [self.global_batch_size, self._latent_dim],
            seed=tf.stack([tf.cast(self._train.seed, tf.int64), self.step]),
        )
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        batch = self._train.batch_size
        return latents[replica * batch : (replica + 1) * batch]

    def _mean(self, values: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(values) / self.global_batch_size


def _adam(
    network: keras.Model, learning_rate: float, train: TrainConfig
) -> keras.optimizers.Adam:
    optimizer = keras.optimizers.Adam(learning_rate, train.beta_1, train.beta_2)
    optimizer.build(network.trainable_variables)
    return optimizer
