"""An endless, shuffled stream of batches that can begin at any step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from msg_modules.common.errors import RunError
from msg_modules.data.preprocessing import Pyramid

_SHUFFLE_ROUNDS = 8


def training_dataset(
    pyramids: Sequence[np.ndarray],
    *,
    replica_batch_size: int,
    num_replicas: int,
    seed: int,
    first_step: int = 0,
    context: tf.distribute.InputContext | None = None,
) -> tf.data.Dataset:
    """An endless, shuffled stream of batches that can begin at any step.

    Which images a step sees depends on the seed and the step alone, not on the
    number of replicas that share its global batch: the images of step `s` are
    the positions `s * global_batch ...` of a sequence that holds every image
    once in each epoch, in an order of its own.

    Args:
      pyramids: What `load_pyramids` returns.
      replica_batch_size: Images in each batch of the stream.
      num_replicas: Replicas that together see a global batch.
      seed: Seed of the order.
      first_step: The step that the stream begins with.
      context: Which of several input pipelines this is; None for the only one.

    Returns:
      Pyramids `[replica_batch_size, size, size, 1]`; one step takes as many
      batches as this input pipeline has replicas.

    Raises:
      RunError: If there are fewer images than the global batch holds.
    """
    num_images = len(pyramids[0])
    global_batch_size = replica_batch_size * num_replicas
    if global_batch_size > num_images:
        raise RunError(
            f"train.batch_size is {replica_batch_size} on {num_replicas} replica(s),"
            f" more than the {num_images} training images; use"
            f" --train.batch-size {max(1, num_images // num_replicas)} or fewer."
        )
    workers = context.num_input_pipelines if context else 1
    replicas_here = num_replicas // workers
    first_replica = (context.input_pipeline_id if context else 0) * replicas_here
    images = [tf.constant(scale) for scale in pyramids]

    def batch(number: tf.Tensor) -> Pyramid:
        step, replica = number // replicas_here, number % replicas_here
        start = (
            step * global_batch_size + (first_replica + replica) * replica_batch_size
        )
        positions = start + tf.range(replica_batch_size, dtype=tf.int64)
        indices = _shuffled_index(positions, num_images, seed)
        return tuple(tf.gather(scale, indices) for scale in images)

    options = tf.data.Options()
    # Nothing here is left to tune, and the tuner's thread sleeps for up to a
    # minute when the stream is given up.
    options.autotune.enabled = False
    return (
        tf.data.Dataset.range(first_step * replicas_here, tf.int64.max)
        .map(batch, num_parallel_calls=1, deterministic=True)
        .prefetch(2 * replicas_here)
        .with_options(options)
    )


def _shuffled_index(positions: tf.Tensor, num_images: int, seed: int) -> tf.Tensor:
    """Maps positions of the endless sequence to images, a permutation an epoch."""
    epochs = positions // num_images
    seeds = tf.stack([tf.fill(tf.shape(epochs), tf.cast(seed, tf.int64)), epochs], 1)
    # The raw operation: `tf.random.experimental.index_shuffle` pads a matrix of
    # seeds along the wrong axis.
    return tf.raw_ops.RandomIndexShuffle(
        index=positions % num_images,
        seed=tf.pad(tf.cast(seeds, tf.uint32), [[0, 0], [0, 1]]),
        max_index=tf.cast(num_images - 1, tf.int64),
        # With the four of the default, neighbouring epochs and strides within an
        # epoch resemble each other.
        rounds=_SHUFFLE_ROUNDS,
    )
