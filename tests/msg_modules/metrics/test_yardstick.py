"""All figures together: real, noise, and worse images between them."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage
import tensorflow as tf
from eight_bits import examples_of
from specs import FASHION

from msg_modules.common.errors import RunError
from msg_modules.data.preprocessing import make_pyramid
from msg_modules.metrics.yardstick import Yardstick, metrics_of

NUM = 200


def _pyramid(images: np.ndarray) -> list[np.ndarray]:
    return [
        scale.numpy()
        for scale in make_pyramid(tf.constant(images, tf.float32), FASHION.sizes)
    ]


@pytest.fixture(scope="module")
def yardstick(stripes_classifier, make_stripes) -> Yardstick:
    train, _ = make_stripes(600, seed=0)
    test, _ = make_stripes(NUM, seed=1)
    return Yardstick(stripes_classifier, examples_of(train), examples_of(test))


@pytest.fixture(scope="module")
def new_images(make_stripes) -> np.ndarray:
    return make_stripes(NUM, seed=2)[0]


@pytest.mark.parametrize(
    ("spoil", "strengths"),
    [
        ("noise", (0.0, 0.3, 0.6, 1.2)),
        ("blur", (0.0, 0.8, 1.2, 2.0)),
    ],
)
def test_distances_grow_with_noise_and_blur_from_real_to_noise(
    yardstick: Yardstick, new_images: np.ndarray, spoil: str, strengths: tuple
) -> None:
    random = np.random.default_rng(0).normal(size=new_images.shape)
    real, noise = yardstick.real().figures, yardstick.noise().figures
    found = []
    for strength in strengths:
        images = (
            np.clip(new_images + strength * random, -1, 1)
            if spoil == "noise"
            else scipy.ndimage.gaussian_filter(new_images, [0, strength, strength, 0])
        )
        found.append(yardstick.measure(_pyramid(images)).figures)
    for name in ("frechet_28", "kernel"):
        values = [figures[name] for figures in found]
        assert values == sorted(values), name
    assert found[0]["frechet_28"] < 0.1 * found[-1]["frechet_28"]
    assert found[0]["frechet_28"] < real["frechet_28"] + 0.02 * noise["frechet_28"]
    assert found[0]["coverage"] > 0.8 > found[-1]["coverage"]


def test_every_metric_is_measured_and_repeats(
    yardstick: Yardstick, new_images: np.ndarray
) -> None:
    pyramid = _pyramid(new_images)
    first, second = yardstick.measure(pyramid), yardstick.measure(pyramid)
    assert list(first.figures) == list(metrics_of(FASHION))
    assert first.figures == second.figures
    assert np.isfinite(list(first.figures.values())).all()


def test_lost_classes_show(yardstick: Yardstick, make_stripes) -> None:
    images, labels = make_stripes(900, seed=3)
    whole = yardstick.measure(_pyramid(images[:NUM]))
    one = yardstick.measure(_pyramid(images[labels == 0][:NUM]))
    assert one.figures["class_entropy"] < 0.2 < whole.figures["class_entropy"]
    assert one.figures["class_distance"] == pytest.approx(2 / 3, abs=0.15)
    assert whole.figures["class_distance"] < 0.15
    assert one.class_shares[0] > 0.95


def test_training_images_handed_back_are_found(
    yardstick: Yardstick, make_stripes, new_images: np.ndarray
) -> None:
    train, _ = make_stripes(600, seed=0)
    copied = yardstick.measure(_pyramid(train)).figures
    fresh = yardstick.measure(_pyramid(new_images)).figures
    # Two thirds of them are among the images that are searched.
    assert copied["nearest_pixels"] < 0.5 * fresh["nearest_pixels"]
    assert fresh["nearest_pixels"] == pytest.approx(
        yardstick.real().figures["nearest_pixels"], rel=0.1
    )


def test_the_nearest_training_images_are_those_of_a_loop_over_all(
    stripes_classifier, make_stripes, new_images: np.ndarray, monkeypatch
) -> None:
    # As if memory held seven images, and features of eleven.
    monkeypatch.setattr("msg_modules.data.examples._CHUNK_BYTES", 7 * 4 * 28 * 28)
    monkeypatch.setattr("msg_modules.metrics.yardstick._CHUNK", 11)
    train, _ = make_stripes(100, seed=0)
    test, _ = make_stripes(10, seed=1)
    yardstick = Yardstick(stripes_classifier, examples_of(train), examples_of(test))

    pixels, features = yardstick.nearest_training_images(new_images[:20])

    # Which images are in the bank is the seed's choice: all but ten.
    assert yardstick.num_real == 10
    generator = np.random.default_rng(0)
    generator.permutation(10)
    bank = train[generator.permutation(100)[10:]]
    embed = stripes_classifier.features
    for found, embedding in ((pixels, lambda x: x), (features, embed)):
        gaps = embedding(new_images[:20])[:, None] - embedding(bank)[None]
        distances = np.square(gaps).reshape(20, 90, -1).sum(axis=2)
        np.testing.assert_array_equal(found, bank[distances.argmin(axis=1)])


def test_too_few_images(stripes_classifier, make_stripes) -> None:
    many, few = (examples_of(make_stripes(num, seed=0)[0]) for num in (50, 9))
    with pytest.raises(RunError, match=r"9 test images.*--data.eval-split") as caught:
        Yardstick(stripes_classifier, many, few)
    # However few are asked for.
    assert "num-images" not in str(caught.value)
    with pytest.raises(RunError, match=r"9 training images.*--data.train-split"):
        Yardstick(stripes_classifier, few, many)
    with pytest.raises(RunError, match=r"50 test images.*51.*num-images"):
        Yardstick(stripes_classifier, many, many, 51)
