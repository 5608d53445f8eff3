"""Adversarial losses and gradient penalties, as functions of logits and images.

Every function returns one value for each image, `[batch]`. Averaging is the
caller's: over the *global* batch, which one replica does not see.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf


class AdversarialLoss(NamedTuple):
    """The two sides of the game.

    Attributes:
      generator: Logits of generated images `[batch, 1]` -> loss `[batch]`.
      discriminator: Logits of real and of generated images, each `[batch, 1]`,
        -> loss `[batch]`.
    """

    generator: Callable[[tf.Tensor], tf.Tensor]
    discriminator: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def non_saturating_generator_loss(fake_logits: tf.Tensor) -> tf.Tensor:
    """-log D(G(z)) = softplus(-logit): Goodfellow et al. (arXiv 1406.2661), sec. 3."""
    return tf.squeeze(tf.nn.softplus(-fake_logits), -1)


def non_saturating_discriminator_loss(
    real_logits: tf.Tensor, fake_logits: tf.Tensor
) -> tf.Tensor:
    """-log D(x) - log(1 - D(G(z))): Goodfellow et al. (arXiv 1406.2661), eq. 1."""
    return tf.squeeze(tf.nn.softplus(-real_logits) + tf.nn.softplus(fake_logits), -1)


LOSSES: dict[str, AdversarialLoss] = {
    "non_saturating": AdversarialLoss(
        non_saturating_generator_loss, non_saturating_discriminator_loss
    ),
}


def r1_penalty(image_gradients: Sequence[tf.Tensor]) -> tf.Tensor:
    """Squared norm of the logits' gradient at real images, half of it.

    Mescheder et al. (arXiv 1801.04406), eq. 9 with gamma = 1, for a pyramid:
    summed over the pixels of a scale and averaged over the scales.

    Args:
      image_gradients: Gradient of the logits by the images of each scale,
        `[batch, size, size, channels]`.

    Returns:
      The penalty of each image, `[batch]`.
    """
    by_scale = [
        tf.reduce_sum(tf.square(gradient), axis=[1, 2, 3])
        for gradient in image_gradients
    ]
    return 0.5 * tf.add_n(by_scale) / len(by_scale)
