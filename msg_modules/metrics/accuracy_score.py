"""Classification accuracy score: classifiers trained on generated images.

A classifier is trained on generated images, with the labels that were asked for, and
tested on real ones, beside the same classifier trained on as many real images. What it
lacks in accuracy, the generated images lack in realism or variety within a class
(Ravuri & Vinyals, arXiv 1905.10887).
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from msg_modules.common import console
from msg_modules.configs import ClassifierConfig
from msg_modules.data.examples import Examples
from msg_modules.data.mapped import MappedRows
from msg_modules.generator.sampling import Generator
from msg_modules.metrics import classifier
from msg_modules.pictures.sheets import to_uint8

MAX_IMAGES = 60_000
# What scikit-learn's classifiers see: the largest scale up to this size.
_MAX_SIZE = 32
_CHUNK = 1000
_ITERATIONS, _EPOCHS = 100, 20


class Score(NamedTuple):
    """Accuracies of one kind of classifier on real test images, in [0, 1].

    Attributes:
      label: Display name.
      generated: Trained on generated images.
      real: Trained on as many real images.
      seconds: Duration of both.
    """

    label: str
    generated: float
    real: float
    seconds: float


def accuracy_scores(
    generator: Generator, train: Examples, test: Examples, seed: int
) -> dict[str, Score]:
    """Trains three kinds of classifiers on generated and on real images.

    Args:
      generator: A conditional generator.
      train: The real training images with their labels; at most `MAX_IMAGES` are used.
      test: The real test images with their labels.
      seed: Seed of the generated images and of the classifiers.

    Returns:
      Name of the kind of classifier -> score.
    """
    assert train.labels is not None
    order = np.random.default_rng(seed).permutation(len(train))
    chosen = np.sort(order[:MAX_IMAGES])
    real = Examples(train.images[chosen], train.labels[chosen], train.spec)
    generated = draw_like(generator, real, seed)
    scores = {}
    for name, (label, test_accuracy) in _KINDS.items():
        start = time.monotonic()
        on_generated, on_real = (
            test_accuracy(images, test, len(generator.classes), seed)
            for images in (generated, real)
        )
        score = Score(label, on_generated, on_real, time.monotonic() - start)
        scores[name] = score
        console.say(
            f"  test accuracy of {label}: {score.generated:.1%} if trained on"
            f" {len(real):,} generated images, {score.real:.1%} on real ones"
            f" ({score.seconds:.0f} s)"
        )
    return scores


def draw_like(generator: Generator, real: Examples, seed: int) -> Examples:
    """Generates as many images of each class as there are real ones.

    Args:
      generator: A conditional generator.
      real: Real images with their labels.
      seed: Seed of the generated images.

    Returns:
      Images with the labels that were asked for, sorted by label.
    """
    assert real.labels is not None
    counts = np.bincount(real.labels, minlength=len(generator.classes))
    rows = MappedRows(real.images.shape[1:], np.uint8)
    for label, count in enumerate(counts):
        if count:
            for pyramid in generator.stream(int(count), seed, label=label):
                rows.append(to_uint8(pyramid[-1]))
    return Examples(rows.finish(), np.repeat(np.arange(len(counts)), counts), real.spec)


def _logistic(train: Examples, test: Examples, num_classes: int, seed: int) -> float:
    from sklearn.linear_model import LogisticRegression

    return _fit(LogisticRegression(max_iter=_ITERATIONS), train, test)


def _perceptron(train: Examples, test: Examples, num_classes: int, seed: int) -> float:
    from sklearn.neural_network import MLPClassifier

    return _fit(MLPClassifier(max_iter=_EPOCHS, random_state=seed), train, test)


def _network(train: Examples, test: Examples, num_classes: int, seed: int) -> float:
    trained = classifier.train_classifier(
        train,
        dataset="images for the accuracy score",
        num_classes=num_classes,
        config=ClassifierConfig(seed=seed),
    )
    found = [
        trained.predict(chunk).logits.argmax(axis=1)
        for chunk in test.chunks(np.arange(len(test)))
    ]
    return float(np.mean(np.concatenate(found) == test.labels))


_KINDS: dict[str, tuple[str, Callable[[Examples, Examples, int, int], float]]] = {
    "logistic": ("logistic regression", _logistic),
    "mlp": ("a multilayer perceptron", _perceptron),
    "cnn": ("the convolutional classifier", _network),
}


def _fit(model, train: Examples, test: Examples) -> float:  # type: ignore[no-untyped-def]
    import sklearn.exceptions

    with warnings.catch_warnings():
        # The number of iterations is part of the protocol.
        warnings.simplefilter("ignore", sklearn.exceptions.ConvergenceWarning)
        model.fit(_pixels(train), train.labels)
    return float(model.score(_pixels(test), test.labels))


def _pixels(examples: Examples) -> np.ndarray:
    """Returns float32 `[num_images, num_pixels]` in [-1, 1]."""
    scale = max(0, sum(size <= _MAX_SIZE for size in examples.spec.sizes) - 1)
    starts = range(0, len(examples), _CHUNK)
    chunks = [examples.pyramid(slice(at, at + _CHUNK))[scale] for at in starts]
    return np.concatenate([chunk.reshape(len(chunk), -1) for chunk in chunks])
