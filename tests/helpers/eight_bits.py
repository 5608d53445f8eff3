"""Images of 8 bits, as the pipeline trains on."""

from __future__ import annotations

import numpy as np

from msg_modules.data.examples import Examples
from msg_modules.data.image_spec import ImageSpec
from msg_modules.data.preprocessing import scale


def quantised(images: np.ndarray) -> np.ndarray:
    """Rounds images in [-1, 1] to 8 bits; float32 in [-1, 1]."""
    return scale(_levels(images)).numpy()


def examples_of(
    images: np.ndarray, labels: np.ndarray | None = None, scales: int = 3
) -> Examples:
    """Examples of images in [-1, 1], `[num_images, size, size, channels]`."""
    size, channels = images.shape[2:]
    return Examples(_levels(images), labels, ImageSpec(size, channels, scales))


def _levels(images: np.ndarray) -> np.ndarray:
    return np.rint((images + 1) * 127.5).astype(np.uint8)
