"""What the nearest neighbours of images tell: fidelity, diversity, copying."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import sklearn.metrics

NUM_NEIGHBOURS = 5
_WORKING_MEMORY_MIB = 16


class Manifolds(NamedTuple):
    """How two sets of images cover each other; each in [0, 1] but `density`.

    Attributes:
      precision: Share of the generated images within reach of a real one.
      recall: Share of the real images within reach of a generated one.
      density: How many real images each generated one is within reach of, as a
        share of `k`; about 1 for equal distributions, and it may be above.
      coverage: Share of the real images that have a generated one in reach.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def compare_manifolds(
    features: np.ndarray, reference: np.ndarray, k: int = NUM_NEIGHBOURS
) -> Manifolds:
    """Precision, recall, density and coverage.

    The reach of an image is the distance to the `k`-th nearest image of its own
    set (Kynkaanniemi et al., arXiv 1904.06991, equations 1 and 2, for precision
    and recall; Naeem et al., arXiv 2002.09797, equations 4 and 6, for density
    and coverage).

    Args:
      features: Generated images, `[num_images, dim]`, more than `k` rows.
      reference: Real images, `[num_others, dim]`, more than `k` rows.
      k: Which neighbour sets the reach.

    Raises:
      ValueError: If there are too few images.
    """
    fewest = min(len(features), len(reference))
    if fewest <= k:
        raise ValueError(f"there are {fewest} images; {k} neighbours need more.")
    generated_reach = _reach(features, k)
    real_reach = _reach(reference, k)
    # Of each generated image: in the reach of how many real ones.
    hosts = np.zeros(len(features), np.int64)
    covered, recalled, start = 0, 0, 0
    for distances in _distances(reference, features):
        within = distances < real_reach[start : start + len(distances), None]
        hosts += within.sum(axis=0)
        covered += np.count_nonzero(within.any(axis=1))
        recalled += np.count_nonzero((distances < generated_reach).any(axis=1))
        start += len(distances)
    return Manifolds(
        precision=float(np.mean(hosts > 0)),
        recall=recalled / len(reference),
        density=float(hosts.mean() / k),
        coverage=covered / len(reference),
    )


class Nearest(NamedTuple):
    """The nearest image of another set, for each image.

    Attributes:
      distances: float64 `[num_images]`, Euclidean.
      indices: int64 `[num_images]`, the row in the other set.
    """

    distances: np.ndarray
    indices: np.ndarray


def nearest(queries: np.ndarray, others: np.ndarray) -> Nearest:
    """Finds the nearest of other images, in bounded memory.

    Args:
      queries: Images or features, `[num_images, ...]`.
      others: What to search, `[num_others, ...]`.
    """
    indices, distances = sklearn.metrics.pairwise_distances_argmin_min(
        queries.reshape(len(queries), -1), others.reshape(len(others), -1)
    )
    return Nearest(np.asarray(distances, np.float64), indices)


def _reach(features: np.ndarray, k: int) -> np.ndarray:
    """The distance of each image to its k-th nearest other one."""
    # Each is its own nearest one, at distance 0.
    return np.concatenate(
        [np.partition(rows, k, axis=1)[:, k] for rows in _distances(features, features)]
    )


def _distances(rows: np.ndarray, columns: np.ndarray) -> Iterator[np.ndarray]:
    """Euclidean distances, some rows of the matrix at a time."""
    return sklearn.metrics.pairwise_distances_chunked(
        np.asarray(rows, np.float64),
        np.asarray(columns, np.float64),
        working_memory=_WORKING_MEMORY_MIB,
    )
