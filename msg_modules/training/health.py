"""Detects a collapse during training."""

from __future__ import annotations

import numpy as np

from msg_modules.common import console
from msg_modules.data.examples import Examples

# Consecutive reports, or sheets, before a warning.
_REPORTS = 10
_SHEETS = 3
_PERFECT = 0.99
# Accuracies within this margin of 0.5 count as chance level: four standard deviations
# of a report of 50 steps of 64 images.
_CHANCE_MARGIN = 0.025
# Spread of the samples relative to the training images. It is above 0.5 for samples of
# a single class of Fashion-MNIST, and near 0 for a single garment.
_ALIKE = 0.25
_COMPARED_IMAGES = 1000


class CollapseWatch:
    """Warns about a collapse, once per onset."""

    def __init__(self, examples: Examples):
        """Measures the spread of training images.

        Args:
          examples: The training images.
        """
        stride = max(1, len(examples) // _COMPARED_IMAGES)
        some = examples.largest(slice(None, None, stride))
        self._wanted_spread = spread(some)
        self._perfect = _Lasting(_REPORTS)
        self._guessing = _Lasting(_REPORTS)
        self._alike = _Lasting(_SHEETS)

    def see_report(self, step: int, real_accuracy: float, fake_accuracy: float) -> None:
        """Warns if the discriminator has long been near perfect or at chance level.

        Chance level is a balanced accuracy of 0.5, including the case that it
        classifies all images as real.

        Args:
          step: Finished steps.
          real_accuracy: Accuracy on real images since the last report.
          fake_accuracy: Accuracy on generated images since the last report.
        """
        if self._perfect.sets_in(min(real_accuracy, fake_accuracy) >= _PERFECT):
            console.warn(
                f"Step {step:,}: the discriminator has classified nearly all images"
                f" correctly in {_REPORTS} consecutive reports, so the generator learns"
                " little from it. Use a lower --train.discriminator-learning-rate or a"
                " higher --train.r1-gamma."
            )
        balanced = (real_accuracy + fake_accuracy) / 2
        if self._guessing.sets_in(abs(balanced - 0.5) <= _CHANCE_MARGIN):
            console.warn(
                f"Step {step:,}: the discriminator has done no better than chance in"
                f" {_REPORTS} consecutive reports, so the generator learns nothing from"
                " it. Use a higher --train.discriminator-learning-rate or a lower"
                " --train.r1-gamma."
            )

    def see_samples(self, step: int, images: np.ndarray) -> None:
        """Warns if images from different latents have long been nearly the same.

        They are if their `spread` is less than a quarter of that of the training
        images.

        Args:
          step: Finished steps.
          images: Generated images of the largest scale.
        """
        share = spread(images) / max(self._wanted_spread, 1e-12)
        if self._alike.sets_in(share < _ALIKE):
            console.warn(
                f"Step {step:,}: the generator has produced nearly the same image from"
                f" all latents on {_SHEETS} consecutive sheets (their spread is"
                f" {share:.0%} of that of the training images). Use lower learning"
                " rates, a higher --train.r1-gamma or another --train.seed."
            )


class _Lasting:
    """Detects when a condition has held for `patience` calls, once per onset."""

    def __init__(self, patience: int):
        self._patience = patience
        self._count = 0

    def sets_in(self, present: bool) -> bool:
        self._count = self._count + 1 if present else 0
        return self._count == self._patience


def spread(images: np.ndarray) -> float:
    """Measures how much images differ from each other.

    The square root of the variance across images, averaged over pixels; equivalently,
    of half the mean squared distance per pixel between two images. Adding a constant
    to all images does not change it, and scaling them scales it.

    Args:
      images: `[num_images, ...]`.

    Returns:
      At least 0; 0 if all images are the same.
    """
    return float(np.sqrt(np.mean(np.var(images, axis=0, dtype=np.float64))))
