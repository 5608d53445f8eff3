"""Directions of the latent space in which the images change most."""

from __future__ import annotations

import numpy as np
import sklearn.decomposition

from msg_modules.common.errors import RunError
from msg_modules.generator.latents import draw_latents
from msg_modules.generator.sampling import Generator

_NUM_IMAGES = 2048


def find_directions(generator: Generator, most: int = 8) -> np.ndarray:
    """Principal directions, as GANSpace finds them (arXiv 2004.02546, section 2.2).

    Standard normal latents have no direction of their own. The images have: their
    principal components, and a linear regression of the latents on them tells along
    which latents an image moves there. A SavedModel shows nothing of its layers, and
    the images take the place of the features of one. The directions are then made
    orthonormal, first one first, so that a latent has a coordinate along each, and
    the coordinates of standard normal latents are standard normal.

    Args:
      generator: Whose latent space it is.
      most: How many are wanted; there are no more than `latent_dim`.

    Returns:
      float32 `[num_directions, latent_dim]`, the strongest change first.

    Raises:
      RunError: If the generator draws NaN or infinite values.
    """
    latents = draw_latents(_NUM_IMAGES, generator.latent_dim)
    images = generator.generate(latents)[-1].reshape(_NUM_IMAGES, -1)
    if not np.all(np.isfinite(images)):
        raise RunError(
            f"The generator in {str(generator.path)!r} draws NaN or infinite values;"
            " name another version."
        )
    count = min(most, generator.latent_dim)
    pca = sklearn.decomposition.PCA(count, random_state=0)
    components = pca.fit_transform(images)
    regression, *_ = np.linalg.lstsq(components, latents, rcond=None)
    directions = np.linalg.qr(regression.T)[0].T
    # The factorisation may turn a direction round.
    turned = np.sum(directions * regression, axis=1, keepdims=True) < 0
    return np.where(turned, -directions, directions).astype(np.float32)
