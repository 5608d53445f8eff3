"""Latent vectors: those of a seed, and those on the way between two."""

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
    """The latents from which the signature `sample` draws the images of a seed.

    Args:
      num_images: How many.
      latent_dim: Length of a latent vector.
      seed: 64 bits.
      truncation: In [0, 1]. The latents are multiplied with it, which keeps what an
        image shows and draws it nearer to the average one: less variety, fewer
        failures. As psi of StyleGAN (arXiv 1812.04948, appendix B), in the space
        of the latents.
      block: 0 are the latents of `sample`; others are further ones.

    Returns:
      float32 `[num_images, latent_dim]`.

    Raises:
      ConfigError: If an argument is out of its range.
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
    """Latents at even distances on the way from one to another.

    Args:
      start: float32 `[latent_dim]`.
      end: float32 `[latent_dim]`.
      steps: How many, both ends included; at least 2.
      spherical: Along the great circle (White 2016, arXiv 1609.04468), while the
        length changes evenly. Standard normal latents lie near a sphere; a
        straight line between two of them leads through its inside, where the
        generator has not learned to draw. Between opposite ends no circle is the
        shortest way, and the line is taken.

    Returns:
      float32 `[steps, latent_dim]`.

    Raises:
      ConfigError: If the shapes differ, values are not finite, or there are fewer
        than 2 steps.
    """
    start, end = np.asarray(start, np.float64), np.asarray(end, np.float64)
    if start.ndim != 1 or start.shape != end.shape:
        raise ConfigError(
            f"start and end have the shapes {list(start.shape)} and {list(end.shape)};"
            " both must be [latent_dim]."
        )
    if not np.all(np.isfinite([start, end])):
        raise ConfigError("start or end contains NaN or infinite values; replace them.")
    require(steps >= 2, "steps", steps, "at least 2")
    way = np.linspace(0, 1, steps)[:, None]
    straight = (1 - way) * start + way * end
    lengths = np.linalg.norm([start, end], axis=1)
    if not spherical or not np.all(lengths):
        return straight.astype(np.float32)
    directions = start / lengths[0], end / lengths[1]
    angle = np.arccos(np.clip(np.dot(*directions), -1, 1))
    if np.sin(angle) < _NO_ANGLE:
        return straight.astype(np.float32)
    turned = np.sin((1 - way) * angle) * directions[0]
    turned += np.sin(way * angle) * directions[1]
    length = (1 - way) * lengths[0] + way * lengths[1]
    return (turned / np.sin(angle) * length).astype(np.float32)


def check_request(num_images: int, seed: int, truncation: float) -> None:
    """Checks what a drawing is asked for.

    Raises:
      ConfigError: If an argument is out of its range; see `draw_latents`.
    """
    count, bits = f"between 1 and {_LARGEST_INT32}", "a number of 64 bits"
    require(0 < num_images <= _LARGEST_INT32, "num_images", num_images, count)
    require(-_LARGEST_INT64 - 1 <= seed <= _LARGEST_INT64, "seed", seed, bits)
    require(0 <= truncation <= 1, "truncation", truncation, "between 0 and 1")
