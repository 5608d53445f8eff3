"""Noticing a collapse while it happens."""

from __future__ import annotations

import numpy as np

from msg_modules.common import console

# Reports in a row, and sheets in a row, until something counts as lasting.
_REPORTS = 10
_SHEETS = 3
_ALL_RIGHT = 0.99
# How far from one half the discriminator may be and still be guessing: four
# times what chance alone moves a report of 50 steps of 64 images.
_CHANCE_MARGIN = 0.025
# Spread of the samples by that of the training images. Samples of a single class
# of Fashion-MNIST are above one half, and of a single garment near 0.
_ALIKE = 0.25
_COMPARED_IMAGES = 1000


class CollapseWatch:
    """Warns of a collapse, once for each time that it sets in."""

    def __init__(self, images: np.ndarray):
        """Looks at what the samples are compared with.

        Args:
          images: Training images of the largest scale,
            `[num_images, size, size, 1]`.
        """
        stride = max(1, len(images) // _COMPARED_IMAGES)
        self._wanted_spread = spread(images[::stride])
        self._perfect = _Lasting(_REPORTS)
        self._guessing = _Lasting(_REPORTS)
        self._alike = _Lasting(_SHEETS)

    def see_report(self, step: int, real_accuracy: float, fake_accuracy: float) -> None:
        """Warns if the discriminator has been perfect, or guessing, for long.

        It guesses if its accuracy on as many real as generated images is one
        half, be it because it calls all of them real.

        Args:
          step: Finished steps.
          real_accuracy: Share of the real images told right since the last
            report.
          fake_accuracy: The same of generated ones.
        """
        if self._perfect.sets_in(min(real_accuracy, fake_accuracy) >= _ALL_RIGHT):
            console.warn(
                f"Step {step:,}: the discriminator has told nearly all images right in"
                f" {_REPORTS} reports; the generator learns little from it. Use a"
                " lower --train.discriminator-learning-rate or a higher"
                " --train.r1-gamma."
            )
        balanced = (real_accuracy + fake_accuracy) / 2
        if self._guessing.sets_in(abs(balanced - 0.5) <= _CHANCE_MARGIN):
            console.warn(
                f"Step {step:,}: the discriminator has told real from generated images"
                f" no better than chance in {_REPORTS} reports; the generator learns"
                " nothing from it. Use a higher --train.discriminator-learning-rate or"
                " a lower --train.r1-gamma."
            )

    def see_samples(self, step: int, images: np.ndarray) -> None:
        """Warns if images from different latents have been alike for long.

        They are if their `spread` is less than a quarter of the training
        images', whatever their brightness and contrast.

        Args:
          step: Finished steps.
          images: Generated images of the largest scale.
        """
        share = spread(images) / max(self._wanted_spread, 1e-12)
        if self._alike.sets_in(share < _ALIKE):
            console.warn(
                f"Step {step:,}: the generator has drawn nearly the same image from all"
                f" latents on {_SHEETS} sheets (they differ {share:.0%} as much as the"
                " training images do). Use lower learning rates, a higher"
                " --train.r1-gamma or another --train.seed."
            )


class _Lasting:
    """Tells when something has lasted, once until it has ended."""

    def __init__(self, patience: int):
        self._patience = patience
        self._count = 0

    def sets_in(self, present: bool) -> bool:
        self._count = self._count + 1 if present else 0
        return self._count == self._patience


def spread(images: np.ndarray) -> float:
    """How much images differ from each other.

    The root of half the mean squared distance of two of them, per pixel: the
    root of the variance across images, averaged over the pixels. Adding a
    constant changes nothing, and a factor multiplies it.

    Args:
      images: `[num_images, ...]`.

    Returns:
      0 if all are the same.
    """
    return float(np.sqrt(np.mean(np.var(images, axis=0, dtype=np.float64))))
