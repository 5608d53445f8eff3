"""The images of a split, with their labels."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from msg_modules.data.image_spec import ImageSpec
from msg_modules.data.preprocessing import scale, to_pyramid

_CHUNK_BYTES = 2**24

Indices = npt.NDArray[np.integer] | slice


@dataclasses.dataclass(frozen=True, eq=False)
class Examples:
    """Images, of which only those in use are held in memory.

    Attributes:
      images: uint8 `[num_images, size, size, channels]`, the largest scale.
      labels: int64 `[num_images]`; None if the images have no labels.
      spec: Describes the images, with their scales.
    """

    images: np.ndarray
    labels: np.ndarray | None
    spec: ImageSpec

    def __len__(self) -> int:
        """Returns the number of images."""
        return len(self.images)

    def pyramid(self, indices: Indices) -> tuple[np.ndarray, ...]:
        """Makes the pyramids of some images, equal to those that Transform makes.

        Args:
          indices: Which images.

        Returns:
          float32 `[len(indices), size, size, channels]` in [-1, 1] for each scale,
          smallest first.
        """
        pyramid = to_pyramid(tf.constant(self.images[indices]), self.spec.sizes)
        return tuple(images.numpy() for images in pyramid)

    def largest(self, indices: Indices) -> np.ndarray:
        """Returns the largest scale of `pyramid`."""
        return scale(tf.constant(self.images[indices])).numpy()

    def chunks(self, indices: npt.NDArray[np.integer]) -> Iterator[np.ndarray]:
        """Yields the largest scale of some images in turn, in bounded memory.

        Args:
          indices: Which images.
        """
        each = 4 * math.prod(self.images.shape[1:])
        count = max(1, _CHUNK_BYTES // each)
        for start in range(0, len(indices), count):
            yield self.largest(indices[start : start + count])
