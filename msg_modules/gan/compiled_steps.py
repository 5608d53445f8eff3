"""Compiles a loop of training steps into one `tf.function`."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from msg_modules.configs import TrainConfig
from msg_modules.gan.step import METRICS, Gan


class StepsResult(NamedTuple):
    """The result of a call that runs several steps.

    Attributes:
      sums: Sum over the steps of each of `gan.step.METRICS`, float32.
      first_bad: For each of them, the first step, counted from 1, in which it was not
        finite, int64; `GOOD` if there was none.
      data_seconds: Time spent waiting for images, float64; 0 in deterministic training,
        where TensorFlow's clock is not available.
    """

    sums: tf.Tensor
    first_bad: tf.Tensor
    data_seconds: tf.Tensor


GOOD = tf.int64.max


def compile_steps(
    strategy: tf.distribute.Strategy, gan: Gan, config: TrainConfig, has_clock: bool
) -> tf.types.experimental.PolymorphicFunction:
    """Creates a function that runs several steps without returning to Python.

    Args:
      strategy: The distribution strategy.
      gan: The networks to train.
      config: Training settings.
      has_clock: Whether TensorFlow's clock is available; it is not if its operations
        are deterministic.

    Returns:
      A function of the batch iterator and the number of steps, int32, that returns a
      `StepsResult`.
    """

    def now() -> tf.Tensor:
        return tf.timestamp() if has_clock else tf.constant(0.0, tf.float64)

    @tf.function
    def run_steps(
        batches: tf.distribute.DistributedIterator, count: tf.Tensor
    ) -> StepsResult:
        sums = tf.zeros([len(METRICS)])
        good = tf.fill([len(METRICS)], tf.constant(GOOD, tf.int64))
        first_bad = good
        data_seconds = tf.constant(0.0, tf.float64)
        for _ in tf.range(count):
            # After the previous step, or its run time would count as waiting.
            with tf.control_dependencies([sums]):
                asked = now()
            with tf.control_dependencies([asked]):
                images, classes = next(batches)
            with tf.control_dependencies(tf.nest.flatten((images, classes), True)):
                data_seconds += now() - asked
            due = gan.step % config.penalty_interval == 0
            shares = strategy.run(gan.replica_step, (images, due, classes))
            metrics = strategy.reduce(tf.distribute.ReduceOp.SUM, shares, axis=None)
            gan.step.assign_add(1)
            gan.update_average()
            sums += metrics
            first_bad = tf.minimum(
                first_bad, tf.where(tf.math.is_finite(metrics), good, gan.step)
            )
        return StepsResult(sums, first_bad, data_seconds)

    return run_steps
