"""Simple images in three classes, and a classifier of them."""

from __future__ import annotations

import numpy as np
import pytest
from eight_bits import examples_of, quantised

from msg_modules.configs import ClassifierConfig
from msg_modules.metrics import classifier

NUM_CLASSES = 3


@pytest.fixture(scope="session")
def make_stripes():
    """A function (num, seed) -> images and labels: vertical, horizontal, diagonal."""

    def make(num: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        generator = np.random.default_rng(seed)
        labels = generator.integers(0, NUM_CLASSES, num)
        phase = generator.uniform(0, 2 * np.pi, [num, 1, 1])
        period = generator.uniform(4, 8, [num, 1, 1])
        y, x = np.mgrid[:28, :28].astype(np.float64)
        along = np.stack([x, y, (x + y) / np.sqrt(2)])[labels]
        values = np.sin(2 * np.pi * along / period + phase)
        values = np.clip(values + generator.normal(0, 0.1, values.shape), -1, 1)
        return quantised(values[..., None]), labels

    return make


@pytest.fixture(scope="session")
def stripes_classifier(make_stripes) -> classifier.Classifier:
    """A classifier that tells the stripes apart."""
    return classifier.train_classifier(
        examples_of(*make_stripes(600, seed=0)),
        dataset="stripes:1.0.0",
        num_classes=NUM_CLASSES,
        config=ClassifierConfig(epochs=4, batch_size=32),
    )
