"""Which classes are drawn how often: where a generator collapses, it shows here."""

from __future__ import annotations

import numpy as np


def histogram(logits: np.ndarray) -> np.ndarray:
    """The share of each class among images.

    Args:
      logits: `[num_images, num_classes]`; the largest one is the class.

    Returns:
      float64 `[num_classes]` that sums to 1.
    """
    classes = logits.argmax(axis=1)
    return np.bincount(classes, minlength=logits.shape[1]) / len(classes)


def entropy(shares: np.ndarray) -> float:
    """The entropy of a histogram, in bits.

    Args:
      shares: `[num_classes]`, sums to 1.

    Returns:
      0 if there is one class only, `log2(num_classes)` if all are as frequent.
    """
    present = shares[shares > 0]
    return float(-(present * np.log2(present)).sum()) + 0.0


def total_variation(shares: np.ndarray, others: np.ndarray) -> float:
    """The distance of two histograms: the share of images to relabel.

    Args:
      shares: `[num_classes]`, sums to 1.
      others: Likewise.

    Returns:
      0 if they are equal, 1 if they have no class in common.
    """
    return float(np.abs(shares - others).sum() / 2)
