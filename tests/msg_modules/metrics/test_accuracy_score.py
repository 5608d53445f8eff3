from __future__ import annotations

import pathlib

import numpy as np
import pytest
from eight_bits import examples_of
from sklearn.neighbors import KNeighborsClassifier
from striped_generator import striped_generator

from msg_modules.metrics import accuracy_score


def test_images_are_asked_for_in_the_shares_of_the_real_ones(
    tmp_path: pathlib.Path, make_stripes
):
    real = examples_of(*make_stripes(500, seed=1))
    generator = striped_generator(tmp_path / "1")

    drawn = accuracy_score.draw_like(generator, real, seed=3)

    np.testing.assert_array_equal(np.sort(real.labels), drawn.labels)
    assert drawn.images.shape == real.images.shape
    assert drawn.images.dtype == np.uint8
    # By a classifier that has nothing to do with those of the score.
    neighbours = KNeighborsClassifier(1).fit(
        drawn.images.reshape(500, -1), drawn.labels
    )
    assert neighbours.score(real.images.reshape(500, -1), real.labels) > 0.9


@pytest.mark.slow
def test_wrong_labels_cost_accuracy(tmp_path: pathlib.Path, make_stripes):
    train, test = (examples_of(*make_stripes(n, seed=n)) for n in (1200, 300))

    right, wrong = (
        accuracy_score.accuracy_scores(
            striped_generator(tmp_path / name, patterns), train, test, seed=0
        )
        for name, patterns in (("1", [0, 1, 2]), ("2", [1, 2, 0]))
    )

    assert list(right) == ["logistic", "mlp", "cnn"]
    for name, score in right.items():
        assert score.real == wrong[name].real, name
    # Stripes of all phases are not linearly separable.
    assert abs(right["logistic"].real - 1 / 3) < 0.2
    for name in ("mlp", "cnn"):
        assert min(right[name].real, right[name].generated) > 0.9, name
        assert wrong[name].generated < 0.1, name
