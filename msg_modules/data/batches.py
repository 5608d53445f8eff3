"""The training input pipeline."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from msg_modules.common.errors import RunError
from msg_modules.data.examples import Examples
from msg_modules.data.preprocessing import Pyramid, to_pyramid

_SHUFFLE_ROUNDS = 8


def training_dataset(
    examples: Examples,
    *,
    replica_batch_size: int,
    num_replicas: int,
    seed: int,
    num_classes: int = 0,
    first_step: int = 0,
    context: tf.distribute.InputContext | None = None,
) -> tf.data.Dataset:
    """Creates an infinite, shuffled stream of batches that can start at any step.

    The images of a step depend only on the seed and the step, not on the number of
    replicas that share its global batch: step `s` gets positions
    `s * global_batch ...` of an infinite sequence that holds every image once per
    epoch, reshuffled each epoch.

    Args:
      examples: The training images.
      replica_batch_size: Batch size per replica.
      num_replicas: Number of replicas that share a global batch.
      seed: Shuffle seed.
      num_classes: Number of classes to condition on; 0 for none.
      first_step: Step to start at.
      context: Identifies this input pipeline among several; None if there is one.

    Returns:
      A dataset of pyramids `[replica_batch_size, size, size, channels]` with their
      classes, one-hot, float32 `[replica_batch_size, num_classes]`; each step takes as
      many batches as this input pipeline has replicas.

    Raises:
      RunError: If the global batch is larger than the number of images.
    """
    num_images = len(examples)
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

    def gather(array: np.ndarray, indices: tf.Tensor) -> tf.Tensor:
        rows = tf.numpy_function(
            array.__getitem__, [indices], array.dtype, stateful=False
        )
        return tf.ensure_shape(rows, [replica_batch_size, *array.shape[1:]])

    def batch(number: tf.Tensor) -> tuple[Pyramid, tf.Tensor]:
        step, replica = number // replicas_here, number % replicas_here
        start = (
            step * global_batch_size + (first_replica + replica) * replica_batch_size
        )
        positions = start + tf.range(replica_batch_size, dtype=tf.int64)
        indices = _shuffled_index(positions, num_images, seed)
        pyramid = to_pyramid(gather(examples.images, indices), examples.spec.sizes)
        if not num_classes:
            return pyramid, tf.zeros([replica_batch_size, 0])
        assert examples.labels is not None
        return pyramid, tf.one_hot(gather(examples.labels, indices), num_classes)

    options = tf.data.Options()
    # There is nothing to autotune, and the tuner's thread can delay shutdown by up to
    # a minute.
    options.autotune.enabled = False
    return (
        tf.data.Dataset.range(first_step * replicas_here, tf.int64.max)
        .map(batch, num_parallel_calls=1, deterministic=True)
        .prefetch(2 * replicas_here)
        .with_options(options)
    )


def _shuffled_index(positions: tf.Tensor, num_images: int, seed: int) -> tf.Tensor:
    """Maps positions of the infinite sequence to images, one permutation per epoch."""
    epochs = positions // num_images
    seeds = tf.stack([tf.fill(tf.shape(epochs), tf.cast(seed, tf.int64)), epochs], 1)
    # The raw op, because `tf.random.experimental.index_shuffle` pads a matrix of seeds
    # along the wrong axis.
    return tf.raw_ops.RandomIndexShuffle(
        index=positions % num_images,
        seed=tf.pad(tf.cast(seeds, tf.uint32), [[0, 0], [0, 1]]),
        max_index=tf.cast(num_images - 1, tf.int64),
        # With the default of 4, neighbouring epochs, and strides within an epoch, are
        # correlated.
        rounds=_SHUFFLE_ROUNDS,
    )
