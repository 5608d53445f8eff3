"""Nearest-neighbour search in the training images."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from msg_modules.data.examples import Examples


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
    """The training images of a run."""

    def __init__(self, examples: Examples):
        """Wraps the result of `reading.load_examples`."""
        self._examples = examples

    def __len__(self) -> int:
        """Returns the number of images."""
        return len(self._examples)

    def first(self, num_images: int) -> np.ndarray:
        """Returns some images.

        Args:
          num_images: How many; fewer if there are not enough.

        Returns:
          float32 `[num_images, size, size, channels]` in [-1, 1], the largest scale.
        """
        return self._examples.largest(slice(num_images))

    def nearest(self, image: np.ndarray, count: int = 8) -> Neighbours:
        """Finds the training images nearest in Euclidean pixel distance.

        Args:
          image: `[size, size, channels]` in [-1, 1].
          count: Number of images; fewer if there are not enough.
        """
        # In hundreds of dimensions, no tree is faster than brute force.
        squares = np.concatenate(
            [
                _squared_distances(images, image)
                for images in self._examples.chunks(np.arange(len(self)))
            ]
        )
        indices = np.argsort(squares, kind="stable")[:count]
        differences = np.sqrt(squares[indices] / image.size) / 2
        return Neighbours(self._examples.largest(indices), differences)


def _squared_distances(images: np.ndarray, image: np.ndarray) -> np.ndarray:
    gaps = (images - image).reshape(len(images), -1)
    return np.einsum("ij,ij->i", gaps, gaps).astype(np.float64)
