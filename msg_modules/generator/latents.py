"""Latent vectors: sampling from a seed, and interpolation."""

from __future__ import annotations

import numpy as np

from msg_modules.common.errors import ConfigError
from msg_modules.configs import require

_LARGEST_INT32, _LARGEST_INT64 = 2**31 - 1, 2**63 - 1
_NO_ANGLE = 1e-6


def draw_latents(
    num_images: int,
    latent_dim: int,
    seed: int = 0,
    truncation: float = 1.0,
    block: int = 0,
) -> np.ndarray:
    """Draws the latents that the signature `sample` uses for a seed.

    Args:
      num_images: Number of latent vectors.
      latent_dim: Length of a latent vector.
      seed: 64-bit seed.
      truncation: Factor in [0, 1] for the latents, which moves an image towards the
        average one: less variety, fewer failures. Like psi in StyleGAN
        (arXiv 1812.04948, appendix B), but in the space of the latents.
      block: Block 0 has the latents of `sample`; other blocks continue it.

    Returns:
      float32 `[num_images, latent_dim]`.

    Raises:
      ConfigError: If an argument is out of range.
    """
    check_request(num_images, seed, truncation)
    import tensorflow as tf

    latents = tf.random.stateless_normal(
        [num_images, latent_dim], seed=tf.constant([seed, block], tf.int64)
    )
    return latents.numpy() * np.float32(truncation)


def interpolate_latents(
    start: np.ndarray, end: np.ndarray, steps: int, spherical: bool = True
) -> np.ndarray:
    """Interpolates between two latent vectors.

    Args:
      start: float32 `[latent_dim]`.
      end: float32 `[latent_dim]`.
      steps: Number of vectors, both ends included; at least 2.
      spherical: Interpolate along the great circle (slerp: White 2016,
        arXiv 1609.04468), and linearly in length. Standard normal latents lie near a
        sphere, and a straight line between two of them passes through its interior,
        which the generator was not trained on. Collinear ends are interpolated
        linearly, since their great circle is not unique.

    Returns:
      float32 `[steps, latent_dim]`.

    Raises:
      ConfigError: If the shapes differ, values are not finite, or there are fewer
        than 2 steps.
    """
    start, end = np.asarray(start, np.float64), np.asarray(end, np.float64)
    if start.ndim != 1 or start.shape != end.shape:
        raise ConfigError(
            f"start and end have shapes {list(start.shape)} and {list(end.shape)};"
            " both must be [latent_dim]."
        )
    if not np.all(np.isfinite([start, end])):
        raise ConfigError("start or end has NaN or infinite values; replace them.")
    require(steps >= 2, "steps", steps, "at least 2")
    t = np.linspace(0, 1, steps)[:, None]
    straight = (1 - t) * start + t * end
    lengths = np.linalg.norm([start, end], axis=1)
    if not spherical or not np.all(lengths):
        return straight.astype(np.float32)
    directions = start / lengths[0], end / lengths[1]
    angle = np.arccos(np.clip(np.dot(*directions), -1, 1))
    if np.sin(angle) < _NO_ANGLE:
        return straight.astype(np.float32)
    turned = np.sin((1 - t) * angle) * directions[0]
    turned += np.sin(t * angle) * directions[1]
    length = (1 - t) * lengths[0] + t * lengths[1]
    return (turned / np.sin(angle) * length).astype(np.float32)


def check_request(num_images: int, seed: int, truncation: float) -> None:
    """Validates the arguments of `draw_latents`.

    Raises:
      ConfigError: If an argument is out of range.
    """
    count, bits = f"between 1 and {_LARGEST_INT32}", "a signed 64-bit integer"
    require(0 < num_images <= _LARGEST_INT32, "num_images", num_images, count)
    require(-_LARGEST_INT64 - 1 <= seed <= _LARGEST_INT64, "seed", seed, bits)
    require(0 <= truncation <= 1, "truncation", truncation, "between 0 and 1")
