"""Whether the scales of a pyramid show the same image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from msg_modules.data.preprocessing import PYRAMID_SIZES, make_pyramid

_CHUNK = 1000


def inconsistency(pyramid: Sequence[np.ndarray]) -> dict[int, float]:
    """How far the small scales are from the large one resized, as real data are.

    Args:
      pyramid: `[num_images, size, size, 1]` in [-1, 1] for each scale, smallest
        first.

    Returns:
      For each smaller size, the root mean squared difference of pixels to the
      largest scale resized to it; 0 if they agree, at most 2.
    """
    largest = pyramid[-1]
    sums = np.zeros(len(PYRAMID_SIZES) - 1)
    for start in range(0, len(largest), _CHUNK):
        chunk = slice(start, start + _CHUNK)
        resized = make_pyramid(tf.constant(largest[chunk], tf.float32))[:-1]
        for number, (wanted, seen) in enumerate(
            zip(resized, pyramid[:-1], strict=True)
        ):
            sums[number] += np.square(
                wanted.numpy() - seen[chunk], dtype=np.float64
            ).sum()
    return {
        size: float(np.sqrt(total / scale.size))
        for size, total, scale in zip(
            PYRAMID_SIZES[:-1], sums, pyramid[:-1], strict=True
        )
    }
