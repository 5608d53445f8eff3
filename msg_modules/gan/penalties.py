"""Gradient penalties for the discriminator.

The squared norm of the gradient is taken per scale of the pyramid, and the penalty is
averaged over scales. Every function returns one value per image, `[batch]`, computed in
float32.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from msg_modules.data.preprocessing import Pyramid

Discriminator = Callable[[Pyramid], tf.Tensor]


def squared_norm_penalty(discriminator: Discriminator, images: Pyramid) -> tf.Tensor:
    """Half the squared norm of the logits' gradient at the images.

    On real images this is R1, on generated ones R2: Mescheder et al.
    (arXiv 1801.04406), eq. 9 and 10 with gamma = 1.

    Args:
      discriminator: Pyramid -> logits `[batch, 1]`.
      images: `[batch, size, size, channels]` for each scale.

    Returns:
      The penalty of each image, `[batch]`.
    """
    squares = _squared_norms(discriminator, images)
    return 0.5 * tf.add_n(squares) / len(squares)


def gradient_penalty(
    discriminator: Discriminator, real: Pyramid, fake: Pyramid, epsilon: tf.Tensor
) -> tf.Tensor:
    """(|gradient| - 1)^2 between real and generated images: WGAN-GP.

    Gulrajani et al. (arXiv 1704.00028), eq. 3 with lambda = 1.

    Args:
      discriminator: Pyramid -> logits `[batch, 1]`.
      real: `[batch, size, size, channels]` for each scale.
      fake: The same shapes.
      epsilon: Weight of the real image in the mixture, in [0, 1], `[batch]`; the
        same at every scale, so that the mixture is still a pyramid.

    Returns:
      The penalty of each image, `[batch]`.
    """
    share = epsilon[:, tf.newaxis, tf.newaxis, tf.newaxis]
    mixtures = tuple(
        share * one + (1 - share) * other for one, other in zip(real, fake, strict=True)
    )
    squares = _squared_norms(discriminator, mixtures)
    # The square root has no gradient at 0.
    deviations = [
        tf.square(tf.sqrt(tf.maximum(square, 1e-12)) - 1) for square in squares
    ]
    return tf.add_n(deviations) / len(deviations)


def _squared_norms(discriminator: Discriminator, images: Pyramid) -> list[tf.Tensor]:
    """Returns the squared norm of each image's gradient, `[batch]`, for each scale."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(images)
        # Each logit depends only on its own image, so the gradient of the sum contains
        # the gradient of each.
        total = tf.reduce_sum(discriminator(images))
    return [
        tf.reduce_sum(tf.square(tf.cast(gradient, tf.float32)), axis=[1, 2, 3])
        for gradient in tape.gradient(total, images)
    ]
