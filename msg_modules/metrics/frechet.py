"""Frechet distance between two sets of features."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Gaussian(NamedTuple):
    """The normal distribution fitted to some features.

    Attributes:
      mean: float64 `[dim]`.
      covariance: float64 `[dim, dim]`, the unbiased estimate.
    """

    mean: np.ndarray
    covariance: np.ndarray


def fit_gaussian(features: np.ndarray) -> Gaussian:
    """Fits a normal distribution.

    Args:
      features: `[num_images, dim]`, at least two rows.

    Raises:
      ValueError: If there are fewer rows, or a value is not finite.
    """
    features = np.asarray(features, np.float64)
    if features.ndim != 2 or len(features) < 2:
        raise ValueError(
            f"features have the shape {features.shape}; it must be [n >= 2, dim]."
        )
    if not np.all(np.isfinite(features)):
        raise ValueError("features hold NaN or infinite values.")
    return Gaussian(
        features.mean(axis=0), np.atleast_2d(np.cov(features, rowvar=False))
    )


def gaussian_distance(a: Gaussian, b: Gaussian) -> float:
    """The squared Frechet distance between two normal distributions.

    `|m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2))` (Dowson and Landau 1982;
    Heusel et al., arXiv 1706.08500, equation 6). With Inception-v3's features this is
    the FID; the numbers of another extractor compare only with each other, and only
    for equal numbers of images: the estimate has a bias that falls with them.

    Args:
      a: One distribution.
      b: Another one of the same dimension.

    Returns:
      At least 0, and 0 for equal ones.

    Raises:
      ValueError: If the dimensions differ.
    """
    if a.mean.shape != b.mean.shape:
        raise ValueError(
            f"the features have {a.mean.size} and {b.mean.size} dimensions; they must"
            " come from the same extractor."
        )
    # C_a C_b has the eigenvalues of the symmetric C_a^(1/2) C_b C_a^(1/2), which
    # are real and cannot fail to converge when features are constant.
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


def _square_root(covariance: np.ndarray) -> np.ndarray:
    """The symmetric square root of a positive semidefinite matrix."""
    eigenvalues, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.clip(eigenvalues, 0, None))) @ vectors.T
