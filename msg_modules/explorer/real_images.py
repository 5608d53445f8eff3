"""The training images beside which a generator's are looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import sklearn.neighbors


class Neighbours(NamedTuple):
    """Training images that resemble another image, the nearest first.

    Attributes:
      images: float32 `[count, size, size, 1]` in [-1, 1].
      differences: float64 `[count]`, the root mean square difference of the pixels
        as a share of that between black and white.
    """

    images: np.ndarray
    differences: np.ndarray


class RealImages:
    """The training images of a run.

    Attributes:
      images: float32 `[num_images, size, size, 1]` in [-1, 1], the largest scale.
    """

    def __init__(self, pyramids: Sequence[np.ndarray]):
        """Takes what `dataset.load_pyramids` returns."""
        self.images = pyramids[-1]
        # In 784 dimensions no tree is quicker than looking at all of them.
        self._search = sklearn.neighbors.NearestNeighbors(algorithm="brute")
        self._search.fit(self.images.reshape(len(self.images), -1))

    def nearest(self, image: np.ndarray, count: int = 8) -> Neighbours:
        """Finds the images with the least Euclidean distance of the pixels.

        Args:
          image: `[size, size, 1]` in [-1, 1].
          count: How many; fewer if there are no more.
        """
        count = min(count, len(self.images))
        distances, indices = self._search.kneighbors(image.reshape(1, -1), count)
        differences = distances[0] / (2 * np.sqrt(image.size))
        return Neighbours(self.images[indices[0]], differences)
