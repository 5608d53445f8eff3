"""Quantisation of images, and noise as a reference."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from msg_modules.data.preprocessing import STEP


def quantise(images: np.ndarray) -> np.ndarray:
    """Rounds images to 8 bits, as in an image file.

    Real images come from files. Otherwise, a metric could tell generated images apart
    by invisible intermediate values.

    Args:
      images: In [-1, 1], any shape.

    Returns:
      float32 of the same shape, with the values of `preprocessing.scale`.
    """
    # In place after one copy, since these may be all training images.
    levels = np.array(images, np.float32)
    levels += 1.0
    levels *= 127.5
    np.rint(levels, out=levels)
    np.clip(levels, 0, 255, out=levels)
    levels *= np.float32(STEP)
    levels -= 1.0
    return levels


def noise(num_images: int, seed: int, shape: Sequence[int]) -> np.ndarray:
    """Draws images of independent uniform pixels, as a lower bound on quality.

    Args:
      num_images: Number of images.
      seed: The same seed gives the same images.
      shape: Size, size and number of channels.

    Returns:
      float32 `[num_images, size, size, channels]` in [-1, 1], quantised.
    """
    generator = np.random.default_rng(seed)
    levels = generator.integers(0, 256, [num_images, *shape], np.uint8)
    return levels.astype(np.float32) * np.float32(STEP) - np.float32(1.0)
