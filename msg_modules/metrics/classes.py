"""Class distribution of images, which reveals mode collapse."""

from __future__ import annotations

import numpy as np


def histogram(logits: np.ndarray) -> np.ndarray:
    """Computes the fraction of images in each class.

    Args:
      logits: `[num_images, num_classes]`; the class is the argmax.

    Returns:
      float64 `[num_classes]` that sums to 1.
    """
    classes = logits.argmax(axis=1)
    return np.bincount(classes, minlength=logits.shape[1]) / len(classes)


def entropy(shares: np.ndarray) -> float:
    """Computes the entropy of a histogram, in bits.

    Args:
      shares: `[num_classes]`, sums to 1.

    Returns:
      0 for a single class, `log2(num_classes)` for a uniform distribution.
    """
    present = shares[shares > 0]
    return float(-(present * np.log2(present)).sum()) + 0.0


def total_variation(shares: np.ndarray, others: np.ndarray) -> float:
    """Computes the total variation distance between two histograms.

    Args:
      shares: `[num_classes]`, sums to 1.
      others: Likewise.

    Returns:
      0 if they are equal, 1 if they are disjoint.
    """
    return float(np.abs(shares - others).sum() / 2)
