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

    Both are functions of the logits of real and of generated images, each
    `[batch, 1]`, and return a loss for each image, `[batch]`.
    """

    generator: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    discriminator: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def non_saturating_generator_loss(real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
    """-log D(G(z)) = softplus(-logit): Goodfellow et al. (arXiv 1406.2661), sec. 3."""
    del real
    return tf.squeeze(tf.nn.softplus(-fake), -1)


def non_saturating_discriminator_loss(real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
    """-log D(x) - log(1 - D(G(z))): Goodfellow et al. (arXiv 1406.2661), eq. 1."""
    return tf.squeeze(tf.nn.softplus(-real) + tf.nn.softplus(fake), -1)


def hinge_generator_loss(real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
    """-D(G(z)): Miyato et al. (arXiv 1802.05957), eq. 17."""
    del real
    return tf.squeeze(-fake, -1)


def hinge_discriminator_loss(real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
    """max(0, 1 - D(x)) + max(0, 1 + D(G(z))): Miyato et al., eq. 16."""
    return tf.squeeze(tf.nn.relu(1.0 - real) + tf.nn.relu(1.0 + fake), -1)


def least_squares_generator_loss(real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
    """(D(G(z)) - 1)^2 / 2: Mao et al. (arXiv 1611.04076), eq. 9."""
    del real
    return tf.squeeze(0.5 * tf.square(fake - 1.0), -1)


def least_squares_discriminator_loss(real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
    """(D(x) - 1)^2 / 2 + D(G(z))^2 / 2: Mao et al., eq. 9."""
    return tf.squeeze(0.5 * (tf.square(real - 1.0) + tf.square(fake)), -1)


def relativistic_generator_loss(real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
    """softplus(D(x) - D(G(z))) of pairs: Huang et al. (arXiv 2501.05441), eq. 2."""
    return tf.squeeze(tf.nn.softplus(real - fake), -1)


def relativistic_discriminator_loss(real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
    """softplus(D(G(z)) - D(x)) of pairs: Huang et al. (arXiv 2501.05441), eq. 2."""
    return tf.squeeze(tf.nn.softplus(fake - real), -1)


LOSSES: dict[str, AdversarialLoss] = {
    "hinge": AdversarialLoss(hinge_generator_loss, hinge_discriminator_loss),
    "least_squares": AdversarialLoss(
        least_squares_generator_loss, least_squares_discriminator_loss
    ),
    "non_saturating": AdversarialLoss(
        non_saturating_generator_loss, non_saturating_discriminator_loss
    ),
    "relativistic": AdversarialLoss(
        relativistic_generator_loss, relativistic_discriminator_loss
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
