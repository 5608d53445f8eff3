"""Nearest-neighbour search in the training images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import sklearn.neighbors


class Neighbours(NamedTuple):
    """Training images nearest to another image, in order of distance.

    Attributes:
      images: float32 `[count, size, size, channels]` in [-1, 1].
      differences: float64 `[count]`, RMS pixel difference, in [0, 1]: 0 if equal, 1
        between black and white.
    """

    images: np.ndarray
    differences: np.ndarray


class RealImages:
    """The training images of a run.

    Attributes:
      images: float32 `[num_images, size, size, channels]` in [-1, 1], the largest
        scale.
    """

    def __init__(self, pyramids: Sequence[np.ndarray]):
        """Indexes the result of `reading.load_pyramids`."""
        self.images = pyramids[-1]
        # In hundreds of dimensions, no tree is faster than brute force.
        self._search = sklearn.neighbors.NearestNeighbors(algorithm="brute")
        self._search.fit(self.images.reshape(len(self.images), -1))

    def nearest(self, image: np.ndarray, count: int = 8) -> Neighbours:
        """Finds the training images nearest in Euclidean pixel distance.

        Args:
          image: `[size, size, channels]` in [-1, 1].
          count: Number of images; fewer if there are not enough.
        """
        count = min(count, len(self.images))
        distances, indices = self._search.kneighbors(image.reshape(1, -1), count)
        differences = distances[0] / (2 * np.sqrt(image.size))
        return Neighbours(self.images[indices[0]], differences)
