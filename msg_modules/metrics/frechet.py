"""Frechet distance between two sets of features."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

_CHUNK = 10_000


class Gaussian(NamedTuple):
    """A normal distribution fitted to features.

    Attributes:
      mean: float64 `[dim]`.
      covariance: float64 `[dim, dim]`, the unbiased estimate.
    """

    mean: np.ndarray
    covariance: np.ndarray


def fit_gaussian(features: np.ndarray) -> Gaussian:
    """Fits a normal distribution, in bounded memory.

    Args:
      features: `[num_images, dim]`, at least two rows.

    Raises:
      ValueError: If there are fewer than two rows, or a value is not finite.
    """
    if features.ndim != 2 or len(features) < 2:
        raise ValueError(
            f"features have shape {features.shape}; it must be [n >= 2, dim]."
        )
    mean = sum(rows.sum(axis=0) for rows in _chunks(features)) / len(features)
    if not np.all(np.isfinite(mean)):
        raise ValueError("features have NaN or infinite values.")
    products = sum((rows - mean).T @ (rows - mean) for rows in _chunks(features))
    return Gaussian(mean, products / (len(features) - 1))


def gaussian_distance(a: Gaussian, b: Gaussian) -> float:
    """Computes the squared Frechet distance between two normal distributions.

    `|m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2))` (Dowson and Landau 1982;
    Heusel et al., arXiv 1706.08500, equation 6). With features of Inception-v3 this is
    the FID. Values are only comparable for the same extractor and the same number of
    images, since the estimate has a bias that decreases with the number of images.

    Args:
      a: A distribution.
      b: Another one of the same dimension.

    Returns:
      At least 0; 0 if they are equal.

    Raises:
      ValueError: If the dimensions differ.
    """
    if a.mean.shape != b.mean.shape:
        raise ValueError(
            f"features have {a.mean.size} and {b.mean.size} dimensions; they must come"
            " from the same extractor."
        )
    # C_a C_b has the same eigenvalues as the symmetric C_a^(1/2) C_b C_a^(1/2), whose
    # eigenvalues are real, and converge even if features are constant.
    root = _square_root(a.covariance)
    eigenvalues = np.linalg.eigvalsh(root @ b.covariance @ root)
    trace_of_root = np.sqrt(np.clip(eigenvalues, 0, None)).sum()
    distance = (
        np.sum((a.mean - b.mean) ** 2)
        + np.trace(a.covariance)
        + np.trace(b.covariance)
        - 2 * trace_of_root
    )
    return max(0.0, float(distance))


def _chunks(features: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(features), _CHUNK):
        yield np.asarray(features[start : start + _CHUNK], np.float64)


def _square_root(covariance: np.ndarray) -> np.ndarray:
    """Returns the symmetric square root of a positive semidefinite matrix."""
    eigenvalues, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.clip(eigenvalues, 0, None))) @ vectors.T
