"""Adversarial losses, as functions of logits.

Every function returns one value per image, `[batch]`. The caller averages them over the
*global* batch, which a single replica does not see.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf


class AdversarialLoss(NamedTuple):
    """A pair of losses, for the generator and the discriminator.

    Attributes:
      generator: Function of the logits of real and of generated images, each
        `[batch, 1]`; returns a loss per image, `[batch]`.
      discriminator: Likewise, for the discriminator.
      relative_to_average: Whether both take, instead of each logit, its difference to
        the mean logit of the other kind of images over the global batch.
    """

    generator: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    discriminator: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    relative_to_average: bool = False


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


def average_hinge_generator_loss(real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
    """max(0, 1 + real) + max(0, 1 - fake): Jolicoeur-Martineau (arXiv 1807.00734).

    The generator's side of RaHingeGAN, for logits relative to the average.
    """
    return hinge_discriminator_loss(fake, real)


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


def wasserstein_generator_loss(real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
    """-D(G(z)): Arjovsky et al. (arXiv 1701.07875), algorithm 1."""
    del real
    return tf.squeeze(-fake, -1)


def wasserstein_discriminator_loss(real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
    """D(G(z)) - D(x): Arjovsky et al. (arXiv 1701.07875), algorithm 1.

    Needs the gradient penalty of WGAN-GP to keep the logits bounded.
    """
    return tf.squeeze(fake - real, -1)


LOSSES: dict[str, AdversarialLoss] = {
    "average_hinge": AdversarialLoss(
        average_hinge_generator_loss,
        hinge_discriminator_loss,
        relative_to_average=True,
    ),
    "hinge": AdversarialLoss(
        hinge_generator_loss,
        hinge_discriminator_loss,
    ),
    "least_squares": AdversarialLoss(
        least_squares_generator_loss,
        least_squares_discriminator_loss,
    ),
    "non_saturating": AdversarialLoss(
        non_saturating_generator_loss, non_saturating_discriminator_loss
    ),
    "relativistic": AdversarialLoss(
        relativistic_generator_loss, relativistic_discriminator_loss
    ),
    "wasserstein": AdversarialLoss(
        wasserstein_generator_loss, wasserstein_discriminator_loss
    ),
}
