"""Images as the metrics see them."""

from __future__ import annotations

import numpy as np

from msg_modules.data.preprocessing import IMAGE_SIZE


def quantise(images: np.ndarray) -> np.ndarray:
    """Rounds images to the 256 levels that a file has.

    Real images come from files. Without this a metric could tell generated ones
    by the values in between, which nobody sees.

    Args:
      images: In [-1, 1], any shape.

    Returns:
      float32 of the same shape, on the levels `k / 127.5 - 1`.
    """
    # One copy and no more: these may be all training images.
    levels = np.array(images, np.float32)
    levels += 1.0
    levels *= 127.5
    np.rint(levels, out=levels)
    np.clip(levels, 0, 255, out=levels)
    levels /= 127.5
    levels -= 1.0
    return levels


def noise(num_images: int, seed: int, size: int = IMAGE_SIZE) -> np.ndarray:
    """Draws images of independent uniform pixels: the worst that is expected.

    Args:
      num_images: How many.
      seed: The same seed gives the same images.
      size: Height and width.

    Returns:
      float32 `[num_images, size, size, 1]` in [-1, 1], quantised.
    """
    generator = np.random.default_rng(seed)
    levels = generator.integers(0, 256, [num_images, size, size, 1], np.uint8)
    return levels.astype(np.float32) / np.float32(127.5) - np.float32(1.0)
