"""Distance between generated and real images, for the benchmarks."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import timing

if TYPE_CHECKING:
    from msg_modules.data.class_spec import ClassSpec
    from msg_modules.data.examples import Examples
    from msg_modules.metrics.classifier import Task

_DATASET = "fashion_mnist"
# Seed of the latents of evaluated images.
_SEED = 1234
_CHUNK = 500


class Images(NamedTuple):
    """Fashion-MNIST.

    Attributes:
      train: The first 90% of the training split.
      validation: The remaining 10%, for model selection: `[num_images, 28, 28, 1]` in
        [-1, 1].
      test: Likewise the test split, for final results.
    """

    train: Examples
    validation: np.ndarray
    test: np.ndarray


def load_images() -> Images:
    """Loads the dataset from TFDS_DATA_DIR, or downloads it."""
    import tensorflow_datasets as tfds

    from msg_modules.data.examples import Examples

    train, validation, test = tfds.as_numpy(
        tfds.load(_DATASET, split=["train[:90%]", "train[90%:]", "test"], batch_size=-1)
    )
    return Images(
        Examples(train["image"], train["label"], timing.FASHION),
        _scaled(validation["image"]),
        _scaled(test["image"]),
    )


def draw(
    generator, latent_dim: int, num_images: int, classes: ClassSpec | None = None
) -> np.ndarray:
    """Generates images at the largest scale, always from the same codes.

    Args:
      generator: Keras model, codes -> pyramid.
      latent_dim: Length of a latent vector.
      num_images: Number of images.
      classes: Classes of a conditional generator, which are drawn in their shares.

    Returns:
      `[num_images, 28, 28, 1]` in [-1, 1].
    """
    from msg_modules.data.class_spec import ClassSpec
    from msg_modules.generator import codes

    drawn = codes.draw_codes(num_images, latent_dim, classes or ClassSpec(), _SEED)
    return np.concatenate(
        [
            generator(drawn[start : start + _CHUNK])[-1].numpy()
            for start in range(0, num_images, _CHUNK)
        ]
    )


class Judge:
    """Measures the Frechet distance to real images in a classifier's feature space.

    The classifier is trained on the generators' training images, once for all
    benchmarks, and saved.
    """

    def __init__(
        self,
        images: Images,
        reference: np.ndarray,
        directory: pathlib.Path,
        task: Task = "classes",
    ):
        """Loads the classifier, or trains and saves it.

        Args:
          images: The dataset.
          reference: Real images to compare with.
          directory: Where the classifier is saved.
          task: What it learns, as in `ClassifierInfo`.
        """
        from msg_modules.configs import ClassifierConfig
        from msg_modules.metrics import classifier, frechet

        if not directory.exists():
            classifier.train_classifier(
                images.train,
                dataset=_DATASET,
                num_classes=10,
                config=ClassifierConfig(),
                task=task,
            ).save(directory)
        self.classifier = classifier.load_classifier(directory)
        self.num_images = len(reference)
        self._reference = frechet.fit_gaussian(self.classifier.features(reference))

    def distance(self, images: np.ndarray) -> float:
        """Returns the distance; pass as many images as the reference has."""
        from msg_modules.metrics.frechet import fit_gaussian, gaussian_distance
        from msg_modules.metrics.images import quantise

        features = self.classifier.features(quantise(images))
        return gaussian_distance(fit_gaussian(features), self._reference)


def _scaled(images: np.ndarray) -> np.ndarray:
    return images.astype(np.float32) / 127.5 - 1
