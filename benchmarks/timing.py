"""What the benchmarks share."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import numpy as np


def spread(values: Sequence[float], form: str) -> str:
    """`min / median / max` of what the rounds measured."""
    parts = (min(values), statistics.median(values), max(values))
    return " / ".join(format(value, form) for value in parts)


def noise_pyramids(num_images: int = 1024) -> tuple[np.ndarray, ...]:
    """Images whose content does not matter: uniform noise at the three scales.

    Args:
      num_images: How many.

    Returns:
      float32 `[num_images, size, size, 1]` in [-1, 1] for 7, 14 and 28.
    """
    generator = np.random.default_rng(0)
    return tuple(
        generator.uniform(-1, 1, [num_images, size, size, 1]).astype(np.float32)
        for size in (7, 14, 28)
    )
