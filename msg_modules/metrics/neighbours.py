"""Nearest-neighbour metrics for fidelity, diversity and copying."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

NUM_NEIGHBOURS = 5
_WORKING_MEMORY_MIB = 16


class Manifold(NamedTuple):
    """A set of images as the union of balls around their features.

    Attributes:
      features: `[num_images, dim]`.
      radii: float64 `[num_images]`, the distance of each to its `k`-th nearest
        neighbour.
      k: The neighbour that sets the radius.
    """

    features: np.ndarray
    radii: np.ndarray
    k: int


class Overlap(NamedTuple):
    """How well two sets of images cover each other; all in [0, 1] but `density`.

    Attributes:
      precision: Fraction of generated images within the radius of a real one.
      recall: Fraction of real images within the radius of a generated one.
      density: Number of real images whose radius a generated image lies within,
        averaged and divided by `k`; about 1 for equal distributions, can exceed 1.
      coverage: Fraction of real images with a generated one within their radius.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def fit_manifold(features: np.ndarray, k: int = NUM_NEIGHBOURS) -> Manifold:
    """Finds the radius of each image, the distance to the `k`-th nearest of its set.

    Kynkaanniemi et al., arXiv 1904.06991, equation 1.

    Args:
      features: `[num_images, dim]`, more than `k` rows.
      k: The neighbour that sets the radius.

    Returns:
      The features with their radii.

    Raises:
      ValueError: If there are too few images.
    """
    if len(features) <= k:
        raise ValueError(
            f"there are {len(features)} images; there must be more than {k}."
        )
    # Index k rather than k - 1: each image is its own nearest, at distance 0.
    radii = [
        np.partition(rows, k, axis=1)[:, k] for rows in _distances(features, features)
    ]
    return Manifold(features, np.concatenate(radii), k)


def compare_manifolds(generated: Manifold, real: Manifold) -> Overlap:
    """Computes precision, recall, density and coverage.

    Kynkaanniemi et al., arXiv 1904.06991, equation 2, for precision and recall; Naeem
    et al., arXiv 2002.09797, equations 4 and 6, for density and coverage.

    Args:
      generated: The generated images.
      real: The real ones, with the same `k`.
    """
    # For each generated image, the number of real images whose radius it lies within.
    hosts = np.zeros(len(generated.features), np.int64)
    covered, recalled, start = 0, 0, 0
    for distances in _distances(real.features, generated.features):
        within = distances < real.radii[start : start + len(distances), None]
        hosts += within.sum(axis=0)
        covered += np.count_nonzero(within.any(axis=1))
        recalled += np.count_nonzero((distances < generated.radii).any(axis=1))
        start += len(distances)
    return Overlap(
        precision=float(np.mean(hosts > 0)),
        recall=recalled / len(real.features),
        density=float(hosts.mean() / real.k),
        coverage=covered / len(real.features),
    )


class Nearest(NamedTuple):
    """For each image, the nearest one in another set.

    Attributes:
      distances: float64 `[num_images]`, Euclidean.
      indices: int64 `[num_images]`, row in the other set.
    """

    distances: np.ndarray
    indices: np.ndarray


def nearest(queries: np.ndarray, chunks: Iterable[np.ndarray]) -> Nearest:
    """Finds the nearest neighbour of each image, in the memory of a chunk.

    Args:
      queries: Images or features, `[num_images, ...]`.
      chunks: The set to search, in parts `[num_others, ...]`.
    """
    import sklearn.metrics  # Imported late: it takes as long as half of TensorFlow.

    found = Nearest(
        np.full(len(queries), np.inf), np.full(len(queries), -1, dtype=np.int64)
    )
    start = 0
    for others in chunks:
        indices, distances = sklearn.metrics.pairwise_distances_argmin_min(
            queries.reshape(len(queries), -1), others.reshape(len(others), -1)
        )
        nearer = distances < found.distances
        found.distances[nearer] = distances[nearer]
        found.indices[nearer] = start + indices[nearer]
        start += len(others)
    return found


def _distances(rows: np.ndarray, columns: np.ndarray) -> Iterator[np.ndarray]:
    """Yields the matrix of Euclidean distances in blocks of rows."""
    import sklearn.metrics

    return sklearn.metrics.pairwise_distances_chunked(
        np.asarray(rows, np.float64),
        np.asarray(columns, np.float64),
        working_memory=_WORKING_MEMORY_MIB,
    )
