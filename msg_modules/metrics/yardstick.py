"""Computes all metrics for a set of images, whatever their source."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Literal

import numpy as np
import tensorflow as tf

from msg_modules.common.errors import RunError
from msg_modules.data.examples import Examples
from msg_modules.data.image_spec import ImageSpec
from msg_modules.data.mapped import MappedRows, no_space
from msg_modules.data.preprocessing import make_pyramid
from msg_modules.metrics import (
    classes,
    consistency,
    frechet,
    images,
    kernel,
    neighbours,
)
from msg_modules.metrics.classifier import FEATURE_DIM, Classifier

MAX_IMAGES = 10_000
# Name of the Frechet distance in the features of the second opinion.
SECOND_OPINION = "frechet_rotations"
_FEWEST_IMAGES = 10
# Generated images whose nearest training images are searched.
_NUM_QUERIES = 1000
_NUM_SHOWN = 30
_CHUNK = 10_000


@dataclasses.dataclass(frozen=True)
class Metric:
    """A metric.

    Attributes:
      label: Display name.
      better: Direction of improvement; `neither` if values near `real` are normal.
    """

    label: str
    better: Literal["lower", "higher", "neither"]


def metrics_of(
    images: ImageSpec, has_classes: bool = True, has_second: bool = False
) -> dict[str, Metric]:
    """Lists the metrics of images by name; the first is the main one.

    Args:
      images: Describes the images.
      has_classes: Whether to list the metrics of predicted classes.
      has_second: Whether there is a second opinion.
    """
    second = {SECOND_OPINION: Metric("Frechet distance, rotations", "lower")}
    by_class = {
        "class_entropy": Metric("Class entropy, bits", "higher"),
        "class_distance": Metric("Class distance", "lower"),
    }
    largest, *smaller = reversed(images.sizes)
    return {
        **{
            f"frechet_{size}": Metric(f"Frechet distance, {size}x{size}", "lower")
            for size in (largest, *smaller)
        },
        **(second if has_second else {}),
        "kernel": Metric("Kernel distance", "lower"),
        "kernel_std": Metric("  std over subsets", "neither"),
        "precision": Metric("Precision", "higher"),
        "recall": Metric("Recall", "higher"),
        "density": Metric("Density", "higher"),
        "coverage": Metric("Coverage", "higher"),
        **(by_class if has_classes else {}),
        **{
            f"inconsistency_{size}": Metric(f"Inconsistency at {size}x{size}", "lower")
            for size in smaller
        },
        "nearest_pixels": Metric(
            "Distance to nearest training image, pixels", "neither"
        ),
        "nearest_features": Metric(
            "Distance to nearest training image, features", "neither"
        ),
    }


@dataclasses.dataclass(frozen=True)
class Measurement:
    """Metrics of a set of images.

    Attributes:
      figures: A value for each of `Yardstick.metrics`.
      class_shares: float64 `[num_classes]`, predicted class distribution.
    """

    figures: dict[str, float]
    class_shares: np.ndarray


class Yardstick:
    """The test images, training images and classifier that metrics are based on.

    Attributes:
      train: The training images.
      test: The test images.
      spec: Describes the images.
      metrics: The metrics by name (`metrics_of`).
      num_images: Number of test images, and of images in each measurement.
      num_real: Number of training images in `real`; smaller if there are few.
      classifier: Computes the features.
      second: Computes those of the second opinion; None if there is none.
      class_shares: float64 `[num_classes]`, predicted class distribution of the test
        images.
      shown: Some test images for display: `[n, size, size, channels]` for each scale.
    """

    def __init__(
        self,
        classifier: Classifier,
        train: Examples,
        test: Examples,
        num_images: int | None = None,
        seed: int = 0,
        second: Classifier | None = None,
    ):
        """Selects images and computes their features.

        Args:
          classifier: Trained on the same dataset.
          train: The training images.
          test: Images that no network was trained on.
          num_images: Number of images to compare; None for all test images, at most
            10,000.
          seed: Seed for the selection of images and subsets.
          second: A network trained on the same images without labels.

        Raises:
          RunError: If there are too few images.
        """
        self.spec = test.spec
        self.metrics = metrics_of(
            self.spec, classifier.info.task == "classes", second is not None
        )
        available = len(test)
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
        self.num_real = min(self.num_images, len(train) // 2)
        if self.num_real < _FEWEST_IMAGES:
            raise RunError(
                f"There are {len(train)} training images; evaluation needs at least"
                f" {2 * _FEWEST_IMAGES}; use a larger --data.train-split or"
                " --data.max-examples."
            )
        self.classifier, self.second = classifier, second
        self._seed = seed
        generator = np.random.default_rng(seed)
        chosen = generator.permutation(available)[: self.num_images]
        order = generator.permutation(len(train))
        self.train, self.test = train, test
        self._measured = order[: self.num_real].copy()
        # In the order of the file, which is read again and again.
        self._bank = np.sort(order[self.num_real :])
        self._bank_features = self._embed_bank()
        pyramid = [images.quantise(scale) for scale in test.pyramid(chosen)]
        self.shown = [scale[:_NUM_SHOWN].copy() for scale in pyramid]
        embedded = {
            size: self._embed(scale)
            for size, scale in zip(self.spec.sizes, pyramid, strict=True)
        }
        self._manifold = neighbours.fit_manifold(embedded[self.spec.size])
        self._gaussians = {
            size: frechet.fit_gaussian(features) for size, features in embedded.items()
        }
        self._second_gaussian = self._second_opinion(pyramid[-1])
        self.class_shares = classes.histogram(classifier.predict(pyramid[-1]).logits)

    def measure(self, pyramid: Sequence[np.ndarray]) -> Measurement:
        """Computes all metrics.

        Args:
          pyramid: `[n, size, size, channels]` in [-1, 1] for each scale, smallest
            first; quantised before use.
        """
        pyramid = [images.quantise(scale) for scale in pyramid]
        features, logits = self.classifier.predict(pyramid[-1])
        embedded = {
            size: features if size == self.spec.size else self._embed(scale)
            for size, scale in zip(self.spec.sizes, pyramid, strict=True)
        }
        kid = kernel.kernel_distance(features, self._manifold.features, self._seed)
        overlap = neighbours.compare_manifolds(
            neighbours.fit_manifold(features), self._manifold
        )
        shares = classes.histogram(logits)
        figures = {
            **{
                f"frechet_{size}": frechet.gaussian_distance(
                    frechet.fit_gaussian(embedded[size]), gaussian
                )
                for size, gaussian in self._gaussians.items()
            },
            **self._second_distance(pyramid[-1]),
            "kernel": kid.mean,
            "kernel_std": kid.std,
            **overlap._asdict(),
            "class_entropy": classes.entropy(shares),
            "class_distance": classes.total_variation(shares, self.class_shares),
            **{
                f"inconsistency_{size}": value
                for size, value in consistency.inconsistency(pyramid).items()
            },
            **self._nearest(pyramid[-1], features),
        }
        return Measurement({name: figures[name] for name in self.metrics}, shares)

    def real(self) -> Measurement:
        """Measures training images, as the score of a perfect generator."""
        return self.measure(self.train.pyramid(self._measured))

    def noise(self) -> Measurement:
        """Measures noise, independent at each scale."""
        return self.measure(
            [
                images.noise(self.num_images, self._seed, shape)
                for shape in self.spec.shapes.values()
            ]
        )

    def distance_to_training(self, large: np.ndarray) -> float:
        """Computes the Frechet distance to training images, not to test images.

        Args:
          large: `[n, size, size, channels]` in [-1, 1].
        """
        features = self.classifier.features(images.quantise(large))
        return frechet.gaussian_distance(
            frechet.fit_gaussian(features), self._bank_gaussian
        )

    def nearest_training_images(
        self, large: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Finds the training images nearest in pixels, and those nearest in features.

        Args:
          large: `[n, size, size, channels]` in [-1, 1].

        Returns:
          Two arrays of the shape of `large`.
        """
        pixels, embedded = self._search(large, self.classifier.features(large))
        return (
            self.train.largest(self._bank[pixels.indices]),
            self.train.largest(self._bank[embedded.indices]),
        )

    @functools.cached_property
    def _bank_gaussian(self) -> frechet.Gaussian:
        return frechet.fit_gaussian(self._bank_features)

    def _embed_bank(self) -> np.ndarray:
        rows = MappedRows([FEATURE_DIM], np.float32)
        try:
            for chunk in self.train.chunks(self._bank):
                rows.append(self.classifier.features(chunk))
            return rows.finish()
        except OSError as e:
            size = 4 * FEATURE_DIM * len(self._bank)
            raise no_space(size, "features of the training images", e) from e

    def _embed(self, scale: np.ndarray) -> np.ndarray:
        """Computes the features of images of any scale, resized to the largest."""
        (resized,) = make_pyramid(tf.constant(scale), [self.spec.size])
        return self.classifier.features(resized.numpy())

    def _second_opinion(self, large: np.ndarray) -> frechet.Gaussian | None:
        if self.second is None:
            return None
        return frechet.fit_gaussian(self.second.features(large))

    def _second_distance(self, large: np.ndarray) -> dict[str, float]:
        seen, wanted = self._second_opinion(large), self._second_gaussian
        if seen is None or wanted is None:
            return {}
        return {SECOND_OPINION: frechet.gaussian_distance(seen, wanted)}

    def _nearest(self, large: np.ndarray, features: np.ndarray) -> dict[str, float]:
        found = self._search(large[:_NUM_QUERIES], features[:_NUM_QUERIES])
        names = ("nearest_pixels", "nearest_features")
        return {
            name: float(nearest.distances.mean())
            for name, nearest in zip(names, found, strict=True)
        }

    def _search(
        self, large: np.ndarray, features: np.ndarray
    ) -> tuple[neighbours.Nearest, neighbours.Nearest]:
        """Finds the nearest in the bank, in pixels and in features."""
        starts = range(0, len(self._bank), _CHUNK)
        return (
            neighbours.nearest(large, self.train.chunks(self._bank)),
            neighbours.nearest(
                features,
                (self._bank_features[start : start + _CHUNK] for start in starts),
            ),
        )
