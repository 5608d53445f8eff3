"""Batch normalisation in one operation."""

from __future__ import annotations

import keras
import tensorflow as tf


class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Keras's layer, computed by TensorFlow's fused operation.

    Keras 3 composes it of some ten operations that each go through memory, and that
    TensorFlow does not join to the convolution before them when it only draws. For
    feature maps `[batch, height, width, channels]` on one replica; several replicas
    need the statistics of all of them (`synchronized=True`), which the fused
    operation cannot give.
    """

    def call(
        self, inputs: tf.Tensor, training: bool | None = None, mask: None = None
    ) -> tf.Tensor:
        """Normalises over batch, height and width; see Keras's layer."""
        gamma, beta, average_mean, average_variance = (
            tf.convert_to_tensor(variable)
            for variable in (
                self.gamma,
                self.beta,
                self.moving_mean,
                self.moving_variance,
            )
        )
        if not training or not self.trainable:
            outputs, *_ = tf.compat.v1.nn.fused_batch_norm(
                inputs,
                gamma,
                beta,
                average_mean,
                average_variance,
                epsilon=self.epsilon,
                is_training=False,
            )
            return outputs
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs, gamma, beta, epsilon=self.epsilon, is_training=True
        )
        # The operation returns the unbiased variance, Keras keeps the biased one.
        count = tf.cast(tf.size(inputs) // inputs.shape[-1], tf.float32)
        variance *= (count - 1) / count
        for average, seen in (
            (self.moving_mean, mean),
            (self.moving_variance, variance),
        ):
            average.assign(average * self.momentum + seen * (1 - self.momentum))
        return outputs
