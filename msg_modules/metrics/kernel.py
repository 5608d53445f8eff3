"""Kernel distance between two sets of features."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

NUM_SUBSETS = 100
SUBSET_SIZE = 1000


class KernelDistance(NamedTuple):
    """A squared maximum mean discrepancy (MMD), estimated on subsets.

    Attributes:
      mean: Mean over the subsets; can be slightly negative.
      std: Standard deviation over the subsets.
    """

    mean: float
    std: float


def kernel_distance(
    features: np.ndarray, reference: np.ndarray, seed: int = 0
) -> KernelDistance:
    """Computes the KID, which is unbiased, unlike the Frechet distance.

    The unbiased squared MMD with the kernel `(x . y / dim + 1)^3`, over 100 random
    subsets of 1,000 images (Binkowski et al., arXiv 1801.01401, section 4), or of half
    the images if there are fewer than 2,000.

    Args:
      features: `[num_images, dim]`, at least 4 rows.
      reference: `[num_others, dim]`, at least 4 rows.
      seed: Seed of the subsets.

    Raises:
      ValueError: If there are too few images, or the dimensions differ.
    """
    size = min(SUBSET_SIZE, len(features) // 2, len(reference) // 2)
    if size < 2:
        raise ValueError(
            f"there are {len(features)} and {len(reference)} images; there must be at"
            " least 4 of each for the kernel distance."
        )
    if features.shape[1] != reference.shape[1]:
        raise ValueError(
            f"features have {features.shape[1]} and {reference.shape[1]} dimensions;"
            " they must come from the same extractor."
        )
    generator = np.random.default_rng(seed)
    distances = [
        squared_mmd(
            features[generator.choice(len(features), size, replace=False)],
            reference[generator.choice(len(reference), size, replace=False)],
        )
        for _ in range(NUM_SUBSETS)
    ]
    return KernelDistance(float(np.mean(distances)), float(np.std(distances)))


def squared_mmd(x: np.ndarray, y: np.ndarray) -> float:
    """Computes the unbiased estimate of the squared MMD with the cubic kernel.

    Gretton et al., "A kernel two-sample test" (JMLR 13, 2012), lemma 6.

    Args:
      x: `[m, dim]`.
      y: `[n, dim]`.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    return (
        _mean_off_diagonal(x) + _mean_off_diagonal(y) - 2 * float(_kernel(x, y).mean())
    )


def _kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    base = x @ y.T / x.shape[1] + 1.0
    return base * base * base


def _mean_off_diagonal(x: np.ndarray) -> float:
    kernel = _kernel(x, x)
    return float((kernel.sum() - np.trace(kernel)) / (len(x) * (len(x) - 1)))
