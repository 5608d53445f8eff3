"""Many training steps in one call."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from msg_modules.configs import TrainConfig
from msg_modules.gan.step import METRICS, Gan


class StepsResult(NamedTuple):
    """What some steps tell.

    Attributes:
      sums: Sum over the steps of each of `gan.step.METRICS`, float32.
      first_bad: The first step in which each of them was not finite, counted
        from 1, int64; `GOOD` if there was none.
      data_seconds: Time spent waiting for images, float64; 0 in a deterministic
        training, in which TensorFlow does not tell the time.
    """

    sums: tf.Tensor
    first_bad: tf.Tensor
    data_seconds: tf.Tensor


GOOD = tf.int64.max


def compile_steps(
    strategy: tf.distribute.Strategy, gan: Gan, config: TrainConfig, has_clock: bool
) -> tf.types.experimental.PolymorphicFunction:
    """Makes the function that runs many steps without coming back to Python.

    Args:
      strategy: Where the replicas run.
      gan: What is trained.
      config: The recipe.
      has_clock: Whether TensorFlow may tell the time, which it does not where its
        operations are deterministic.

    Returns:
      A function of the iterator over batches and the number of steps, int32. It
      returns a `StepsResult`.
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
            # Not before the step before: that time would not be spent waiting.
            with tf.control_dependencies([sums]):
                asked = now()
            with tf.control_dependencies([asked]):
                images = next(batches)
            with tf.control_dependencies(tf.nest.flatten(images, True)):
                data_seconds += now() - asked
            if config.has_penalty and gan.step % config.penalty_interval == 0:
                shares = strategy.run(gan.replica_step, (images, True))
            else:
                shares = strategy.run(gan.replica_step, (images, False))
            metrics = strategy.reduce(tf.distribute.ReduceOp.SUM, shares, axis=None)
            gan.step.assign_add(1)
            gan.update_average()
            sums += metrics
            first_bad = tf.minimum(
                first_bad, tf.where(tf.math.is_finite(metrics), good, gan.step)
            )
        return StepsResult(sums, first_bad, data_seconds)

    return run_steps
