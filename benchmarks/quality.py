"""How far generated images are from real ones, for the benchmarks."""

from __future__ import annotations

import pathlib
from typing import NamedTuple

import numpy as np

_DATASET = "fashion_mnist"
# Latents of the images that are judged.
_SEED = 1234
_CHUNK = 500


class Images(NamedTuple):
    """Fashion-MNIST, each `[num_images, 28, 28, 1]` in [-1, 1].

    Attributes:
      train: The first 90% of the training split.
      labels: Their classes.
      validation: The rest of it, to choose by.
      test: The test split, to report on.
    """

    train: np.ndarray
    labels: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def load_images() -> Images:
    """Loads the dataset, prepared under TFDS_DATA_DIR or downloaded."""
    import tensorflow_datasets as tfds

    train, validation, test = tfds.as_numpy(
        tfds.load(_DATASET, split=["train[:90%]", "train[90%:]", "test"], batch_size=-1)
    )
    return Images(
        _scaled(train["image"]),
        train["label"],
        _scaled(validation["image"]),
        _scaled(test["image"]),
    )


def pyramids_of(images: np.ndarray) -> tuple[np.ndarray, ...]:
    """The images at all scales, smallest first."""
    import tensorflow as tf

    from msg_modules.data.preprocessing import make_pyramid

    return tuple(scale.numpy() for scale in make_pyramid(tf.constant(images)))


def draw(generator, latent_dim: int, num_images: int) -> np.ndarray:
    """Draws images of the largest scale, from the same latents each time.

    Args:
      generator: Keras model, latents -> pyramid.
      latent_dim: Length of a latent.
      num_images: How many.

    Returns:
      `[num_images, 28, 28, 1]` in [-1, 1].
    """
    latents = np.random.default_rng(_SEED).normal(size=[num_images, latent_dim])
    return np.concatenate(
        [
            generator(latents[start : start + _CHUNK].astype(np.float32))[-1].numpy()
            for start in range(0, num_images, _CHUNK)
        ]
    )


class Judge:
    """The Frechet distance to real images in a classifier's features.

    The classifier is trained on the images that the generators learn from, once for
    all benchmarks, and kept.
    """

    def __init__(self, images: Images, reference: np.ndarray, directory: pathlib.Path):
        """Trains the classifier, or takes the one that is kept.

        Args:
          images: The dataset.
          reference: The real images to be compared with.
          directory: Where the classifier is kept.
        """
        from msg_modules.configs import ClassifierConfig
        from msg_modules.metrics import classifier, frechet

        if not directory.exists():
            classifier.train_classifier(
                images.train,
                images.labels,
                dataset=_DATASET,
                num_classes=10,
                config=ClassifierConfig(),
            ).save(directory)
        self.classifier = classifier.load_classifier(directory)
        self.num_images = len(reference)
        self._reference = frechet.fit_gaussian(self.classifier.features(reference))

    def distance(self, images: np.ndarray) -> float:
        """The distance of as many images as there are in the reference."""
        from msg_modules.metrics.frechet import fit_gaussian, gaussian_distance
        from msg_modules.metrics.images import quantise

        features = self.classifier.features(quantise(images))
        return gaussian_distance(fit_gaussian(features), self._reference)


def _scaled(images: np.ndarray) -> np.ndarray:
    return images.astype(np.float32) / 127.5 - 1
