"""Codes: the input of a generator.

A code is a latent vector, followed, if the generator is conditional, by a weight for
each class: one-hot for an image of a class, in between for a mixture of classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from msg_modules.data.class_spec import ClassSpec
from msg_modules.generator.latents import (
    check_request,
    draw_latents,
    interpolate_latents,
)

if TYPE_CHECKING:
    import tensorflow as tf


def random_labels(
    num_images: tf.Tensor | int, shares: Sequence[float], seed: tf.Tensor
) -> tf.Tensor:
    """Draws labels in the given shares, in a graph or eagerly.

    Args:
      num_images: Number of labels.
      shares: Share of each class, `[num_classes]`; sum to 1. All labels are 0 if it is
        empty.
      seed: int64 `[2]`.

    Returns:
      int64 `[num_images]`.
    """
    import tensorflow as tf

    # Drawn like this, fewer labels are the first of more.
    where = tf.random.stateless_uniform([num_images], seed)
    ends = tf.constant(np.cumsum(shares)[:-1], tf.float32)
    return tf.searchsorted(ends, where, side="right", out_type=tf.int64)


def labels_seed(seed: tf.Tensor | int, block: int = 0) -> tf.Tensor:
    """Returns the seed of the labels that go with the latents of a seed and block."""
    import tensorflow as tf

    return tf.stack([tf.cast(seed, tf.int64), tf.constant(-1 - block, tf.int64)])


def draw_codes(
    num_images: int,
    latent_dim: int,
    classes: ClassSpec,
    seed: int = 0,
    truncation: float = 1.0,
    block: int = 0,
    label: int | None = None,
) -> np.ndarray:
    """Draws the codes that the signatures `sample` and `sample_class` use for a seed.

    Args:
      num_images: Number of codes.
      latent_dim: Length of a latent vector.
      classes: The generator's classes.
      seed: 64-bit seed.
      truncation: See `draw_latents`; it applies to the latents only.
      block: See `draw_latents`.
      label: Class of all images. Default: classes in the training images' shares.

    Returns:
      float32 `[num_images, latent_dim + num_classes]`.

    Raises:
      ConfigError: If an argument is out of range.
    """
    check_request(num_images, seed, truncation)
    latents = draw_latents(num_images, latent_dim, seed, truncation, block)
    if not len(classes):
        return latents
    if label is not None:
        labels = np.full(num_images, label)
    else:
        labels = random_labels(
            num_images, classes.shares, labels_seed(seed, block)
        ).numpy()
    return to_codes(latents, labels, len(classes))


def to_codes(latents: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Joins latents and one-hot labels.

    Args:
      latents: float32 `[num_images, latent_dim]`.
      labels: int `[num_images]` in [0, num_classes).
      num_classes: Number of classes.

    Returns:
      float32 `[num_images, latent_dim + num_classes]`.
    """
    return np.concatenate([latents, np.eye(num_classes, dtype=np.float32)[labels]], 1)


def interpolate_codes(
    start: np.ndarray,
    end: np.ndarray,
    steps: int,
    latent_dim: int,
    spherical: bool = True,
) -> np.ndarray:
    """Interpolates between two codes: latents as `interpolate_latents`, classes linear.

    Args:
      start: float32 `[latent_dim + num_classes]`.
      end: float32 `[latent_dim + num_classes]`.
      steps: Number of codes, both ends included; at least 2.
      latent_dim: Length of a latent vector.
      spherical: See `interpolate_latents`.

    Returns:
      float32 `[steps, latent_dim + num_classes]`.

    Raises:
      ConfigError: As `interpolate_latents`.
    """
    latents = interpolate_latents(
        start[:latent_dim], end[:latent_dim], steps, spherical
    )
    classes = np.linspace(start[latent_dim:], end[latent_dim:], steps)
    return np.concatenate([latents, classes], 1).astype(np.float32)
