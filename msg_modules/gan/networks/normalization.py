"""Fused batch normalization."""

from __future__ import annotations

import keras
import tensorflow as tf


class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Keras's layer, computed by TensorFlow's fused op.

    Keras 3 builds it from about ten memory-bound ops, which TensorFlow does not fuse
    with the preceding convolution at inference. For feature maps
    `[batch, height, width, channels]` on one replica; several replicas need shared
    statistics (`synchronized=True`), which the fused op does not support.
    """

    def call(
        self, inputs: tf.Tensor, training: bool | None = None, mask: None = None
    ) -> tf.Tensor:
        """Normalizes over batch, height and width; see Keras's layer."""
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
        # The op returns the unbiased variance; Keras averages the biased one.
        count = tf.cast(tf.size(inputs) // inputs.shape[-1], tf.float32)
        variance *= (count - 1) / count
        for average, seen in (
            (self.moving_mean, mean),
            (self.moving_variance, variance),
        ):
            average.assign(average * self.momentum + seen * (1 - self.momentum))
        return outputs
