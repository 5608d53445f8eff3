"""Directions in latent space along which images change most."""

from __future__ import annotations

import numpy as np
import sklearn.decomposition

from msg_modules.common.errors import RunError
from msg_modules.generator.sampling import Generator

_NUM_IMAGES = 2048


def find_directions(generator: Generator, most: int = 8) -> np.ndarray:
    """Finds principal directions, as in GANSpace (arXiv 2004.02546, section 2.2).

    Standard normal latents have no preferred directions, but images do: their
    principal components. A linear regression of the latents onto the components gives
    the latent direction of each. GANSpace uses the features of a layer instead of
    images, but a SavedModel does not expose its layers. Finally, the directions are
    orthonormalized in order, so that latents have unique coordinates, which are
    standard normal for standard normal latents.

    With a conditional generator, the mean image of its class is first subtracted from
    each image: latents do not choose the class.

    Args:
      generator: The generator.
      most: Maximum number of directions; there are at most `latent_dim`.

    Returns:
      float32 `[num_directions, latent_dim + num_classes]`, the strongest change first;
      0 for classes.

    Raises:
      RunError: If generated images have NaN or infinite values.
    """
    codes = generator.draw_codes(_NUM_IMAGES)
    latents, classes = np.split(codes, [generator.latent_dim], axis=1)
    images = generator.generate(codes)[-1].reshape(_NUM_IMAGES, -1)
    if not np.all(np.isfinite(images)):
        raise RunError(
            f"The generator in {str(generator.path)!r} produces NaN or infinite values;"
            " use another version."
        )
    means = classes.T @ images / np.maximum(1, classes.sum(0))[:, None]
    count = min(most, generator.latent_dim)
    pca = sklearn.decomposition.PCA(count, random_state=0)
    components = pca.fit_transform(images - classes @ means)
    regression, *_ = np.linalg.lstsq(components, latents, rcond=None)
    directions = np.linalg.qr(regression.T)[0].T
    # The QR factorization may flip the sign of a direction.
    flipped = np.sum(directions * regression, axis=1, keepdims=True) < 0
    directions = np.where(flipped, -directions, directions).astype(np.float32)
    return np.pad(directions, [(0, 0), (0, classes.shape[1])])
