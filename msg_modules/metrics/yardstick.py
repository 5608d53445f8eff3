"""Computes all metrics for a set of images, whatever their source."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal

import numpy as np
import tensorflow as tf

from msg_modules.common.errors import RunError
from msg_modules.data.preprocessing import IMAGE_SIZE, PYRAMID_SIZES
from msg_modules.metrics import (
    classes,
    consistency,
    frechet,
    images,
    kernel,
    neighbours,
)
from msg_modules.metrics.classifier import Classifier

MAX_IMAGES = 10_000
_FEWEST_IMAGES = 10
# Generated images whose nearest training images are searched.
_NUM_QUERIES = 1000
_NUM_SHOWN = 30


@dataclasses.dataclass(frozen=True)
class Metric:
    """A metric.

    Attributes:
      label: Display name.
      better: Direction of improvement; `neither` if values near `real` are normal.
    """

    label: str
    better: Literal["lower", "higher", "neither"]


METRICS = {
    **{
        f"frechet_{size}": Metric(f"Frechet distance, {size}x{size}", "lower")
        for size in reversed(PYRAMID_SIZES)
    },
    "kernel": Metric("Kernel distance", "lower"),
    "kernel_std": Metric("  std over subsets", "neither"),
    "precision": Metric("Precision", "higher"),
    "recall": Metric("Recall", "higher"),
    "density": Metric("Density", "higher"),
    "coverage": Metric("Coverage", "higher"),
    "class_entropy": Metric("Class entropy, bits", "higher"),
    "class_distance": Metric("Class distance", "lower"),
    **{
        f"inconsistency_{size}": Metric(f"Inconsistency at {size}x{size}", "lower")
        for size in reversed(PYRAMID_SIZES[:-1])
    },
    "nearest_pixels": Metric("Distance to nearest training image, pixels", "neither"),
    "nearest_features": Metric(
        "Distance to nearest training image, features", "neither"
    ),
}


@dataclasses.dataclass(frozen=True)
class Measurement:
    """Metrics of a set of images.

    Attributes:
      figures: A value for each of `METRICS`.
      class_shares: float64 `[num_classes]`, predicted class distribution.
    """

    figures: dict[str, float]
    class_shares: np.ndarray


class Yardstick:
    """The test images, training images and classifier that metrics are based on.

    Attributes:
      num_images: Number of test images, and of images in each measurement.
      num_real: Number of training images in `real`; smaller if there are few.
      classifier: Computes the features.
      class_shares: float64 `[num_classes]`, predicted class distribution of the test
        images.
      shown: Some test images for display: `[n, size, size, 1]` for each scale.
    """

    def __init__(
        self,
        classifier: Classifier,
        train: Sequence[np.ndarray],
        test: Sequence[np.ndarray],
        num_images: int | None = None,
        seed: int = 0,
    ):
        """Selects images and computes the features of the test images.

        Args:
          classifier: Trained on the same dataset.
          train: `[num_train, size, size, 1]` for each scale, smallest first.
          test: Likewise, images that no network was trained on.
          num_images: Number of images to compare; None for all test images, at most
            10,000.
          seed: Seed for the selection of images and subsets.

        Raises:
          RunError: If there are too few images.
        """
        available = len(test[-1])
        self.num_images = (
            min(available, MAX_IMAGES) if num_images is None else num_images
        )
        if available < _FEWEST_IMAGES:
            raise RunError(
                f"There are {available} test images, but evaluation needs at least"
                f" {_FEWEST_IMAGES}; use a larger --data.eval-split or"
                " --data.max-examples."
            )
        if self.num_images > available:
            raise RunError(
                f"There are {available:,} test images but {self.num_images:,} are"
                " needed; use a larger --data.eval-split or a smaller"
                " --evaluate.num-images."
            )
        # At most half of the training images; the others are searched for neighbours.
        self.num_real = min(self.num_images, len(train[-1]) // 2)
        if self.num_real < _FEWEST_IMAGES:
            raise RunError(
                f"There are {len(train[-1])} training images; evaluation needs at least"
                f" {2 * _FEWEST_IMAGES}; use a larger --data.train-split or"
                " --data.max-examples."
            )
        self.classifier = classifier
        self._seed = seed
        generator = np.random.default_rng(seed)
        chosen = generator.permutation(available)[: self.num_images]
        order = generator.permutation(len(train[-1]))
        self._real = [scale[order[: self.num_real]] for scale in train]
        self._bank = images.quantise(train[-1][order[self.num_real :]])
        self._bank_features = classifier.features(self._bank)
        test = [images.quantise(scale[chosen]) for scale in test]
        self.shown = [scale[:_NUM_SHOWN].copy() for scale in test]
        self._features = {
            size: self._embed(scale)
            for size, scale in zip(PYRAMID_SIZES, test, strict=True)
        }
        self._gaussians = {
            size: frechet.fit_gaussian(features)
            for size, features in self._features.items()
        }
        self.class_shares = classes.histogram(classifier.predict(test[-1]).logits)

    def measure(self, pyramid: Sequence[np.ndarray]) -> Measurement:
        """Computes all metrics.

        Args:
          pyramid: `[n, size, size, 1]` in [-1, 1] for each scale, smallest first;
            quantised before use.
        """
        pyramid = [images.quantise(scale) for scale in pyramid]
        features, logits = self.classifier.predict(pyramid[-1])
        embedded = {
            size: features if size == IMAGE_SIZE else self._embed(scale)
            for size, scale in zip(PYRAMID_SIZES, pyramid, strict=True)
        }
        kid = kernel.kernel_distance(features, self._features[IMAGE_SIZE], self._seed)
        shares = classes.histogram(logits)
        figures = {
            **{
                f"frechet_{size}": frechet.gaussian_distance(
                    frechet.fit_gaussian(embedded[size]), gaussian
                )
                for size, gaussian in self._gaussians.items()
            },
            "kernel": kid.mean,
            "kernel_std": kid.std,
            **neighbours.compare_manifolds(
                features, self._features[IMAGE_SIZE]
            )._asdict(),
            "class_entropy": classes.entropy(shares),
            "class_distance": classes.total_variation(shares, self.class_shares),
            **{
                f"inconsistency_{size}": value
                for size, value in consistency.inconsistency(pyramid).items()
            },
            **self._nearest(pyramid[-1], features),
        }
        return Measurement({name: figures[name] for name in METRICS}, shares)

    def real(self) -> Measurement:
        """Measures training images, as the score of a perfect generator."""
        return self.measure(self._real)

    def noise(self) -> Measurement:
        """Measures noise, independent at each scale."""
        return self.measure(
            [images.noise(self.num_images, self._seed, size) for size in PYRAMID_SIZES]
        )

    def distance_to_training(self, large: np.ndarray) -> float:
        """Computes the Frechet distance to training images, not to test images.

        Args:
          large: `[n, 28, 28, 1]` in [-1, 1].
        """
        features = self.classifier.features(images.quantise(large))
        return frechet.gaussian_distance(
            frechet.fit_gaussian(features), frechet.fit_gaussian(self._bank_features)
        )

    def nearest_training_images(
        self, large: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Finds the training images nearest in pixels, and those nearest in features.

        Args:
          large: `[n, 28, 28, 1]` in [-1, 1].

        Returns:
          Two arrays of the shape of `large`.
        """
        pixels = neighbours.nearest(large, self._bank)
        embedded = neighbours.nearest(
            self.classifier.features(large), self._bank_features
        )
        return self._bank[pixels.indices], self._bank[embedded.indices]

    def _embed(self, scale: np.ndarray) -> np.ndarray:
        """Computes the features of images of any scale, resized to 28x28."""
        if scale.shape[1] == IMAGE_SIZE:
            return self.classifier.features(scale)
        return self.classifier.features(
            tf.image.resize(scale, [IMAGE_SIZE, IMAGE_SIZE]).numpy()
        )

    def _nearest(self, large: np.ndarray, features: np.ndarray) -> dict[str, float]:
        pixels = neighbours.nearest(large[:_NUM_QUERIES], self._bank)
        embedded = neighbours.nearest(features[:_NUM_QUERIES], self._bank_features)
        return {
            "nearest_pixels": float(pixels.distances.mean()),
            "nearest_features": float(embedded.distances.mean()),
        }
