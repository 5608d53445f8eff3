"""How well a conditional generator generates the class that is asked for."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from msg_modules.data.examples import Examples
from msg_modules.generator.sampling import Generator
from msg_modules.metrics import candidate, frechet
from msg_modules.metrics.classifier import Classifier

_MAX_IMAGES = 1000


class ClassFigures(NamedTuple):
    """Metrics of the images of one class.

    Attributes:
      name: Name of the class.
      num_images: Number of generated, of test and of training images.
      accuracy: Share of the generated images that the classifier assigns to it.
      real_accuracy: The same for the test images.
      frechet: Frechet distance of the generated images to the test images.
      real_frechet: The same for the training images.
    """

    name: str
    num_images: int
    accuracy: float
    real_accuracy: float
    frechet: float
    real_frechet: float


def measure(
    generator: Generator,
    classifier: Classifier,
    train: Examples,
    test: Examples,
    seed: int,
) -> list[ClassFigures]:
    """Measures the images of each class that has at least two test images.

    Args:
      generator: A conditional generator.
      classifier: Trained on these classes.
      train: Training images with their labels.
      test: Test images with their labels.
      seed: Seed of the generated images, in [0, 2**31).

    Raises:
      UnfitGenerator: As `candidate.draw`.
    """
    assert train.labels is not None and test.labels is not None
    found = []
    for label, name in enumerate(generator.classes.names):
        of_class = [np.flatnonzero(each.labels == label) for each in (train, test)]
        count = min(_MAX_IMAGES, *map(len, of_class))
        if count < 2:
            continue
        trained, tested = (
            classifier.predict(each.largest(chosen[:count]))
            for each, chosen in zip((train, test), of_class, strict=True)
        )
        drawn = classifier.predict(candidate.draw(generator, count, seed, label)[-1])
        wanted = frechet.fit_gaussian(tested.features)
        found.append(
            ClassFigures(
                name=name,
                num_images=count,
                accuracy=float(np.mean(drawn.logits.argmax(axis=1) == label)),
                real_accuracy=float(np.mean(tested.logits.argmax(axis=1) == label)),
                frechet=frechet.gaussian_distance(
                    frechet.fit_gaussian(drawn.features), wanted
                ),
                real_frechet=frechet.gaussian_distance(
                    frechet.fit_gaussian(trained.features), wanted
                ),
            )
        )
    return found
