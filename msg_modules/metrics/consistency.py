"""Consistency between the scales of a pyramid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from msg_modules.data.preprocessing import make_pyramid

_CHUNK = 1000


def inconsistency(pyramid: Sequence[np.ndarray]) -> dict[int, float]:
    """Measures how much the small scales differ from the largest one, resized.

    Real pyramids are made by the same resizing, so they score 0.

    Args:
      pyramid: `[num_images, size, size, channels]` in [-1, 1] for each scale, smallest
        first.

    Returns:
      Size -> root mean squared pixel difference to the largest scale resized to that
      size, for the smaller scales; in [0, 2].
    """
    *smaller, largest = pyramid
    sizes = [scale.shape[1] for scale in smaller]
    sums = np.zeros(len(sizes))
    for start in range(0, len(largest), _CHUNK):
        chunk = slice(start, start + _CHUNK)
        resized = make_pyramid(tf.constant(largest[chunk], tf.float32), sizes)
        for number, (wanted, seen) in enumerate(zip(resized, smaller, strict=True)):
            sums[number] += np.square(
                wanted.numpy() - seen[chunk], dtype=np.float64
            ).sum()
    return {
        size: float(np.sqrt(total / scale.size))
        for size, total, scale in zip(sizes, sums, smaller, strict=True)
    }
