from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from msg_modules.gan.augmentation import NUM_RANDOMS, augment

SIZES = (7, 14, 28)


def _images(channels: int, number: int = 3) -> tuple[np.ndarray, ...]:
    generator = np.random.default_rng(channels)
    return tuple(
        generator.uniform(-1, 1, [number, size, size, channels]).astype(np.float32)
        for size in SIZES
    )


def _randoms(number: int = 3) -> np.ndarray:
    generator = np.random.default_rng(0)
    return generator.uniform(size=[number, NUM_RANDOMS]).astype(np.float32)


def _plain(image: np.ndarray, randoms: np.ndarray) -> np.ndarray:
    """One image, pixel by pixel."""
    brightness, saturation, contrast, down, right, y, x = randoms
    size = len(image)
    image = image.astype(np.float64)
    if image.shape[-1] == 3:
        image = image + (brightness - 0.5)
        grey = image.mean(-1, keepdims=True)
        image = (image - grey) * (saturation * 2) + grey
        image = (image - image.mean()) * (contrast + 0.5) + image.mean()
    rows, columns = (round(size / 8 * (2 * float(r) - 1)) for r in (down, right))
    seen = np.zeros_like(image)
    for i in range(size):
        for j in range(size):
            cut = all(
                abs((index + 0.5) / size - centre) < 0.25
                for index, centre in ((i, y), (j, x))
            )
            k, m = i - rows, j - columns
            if 0 <= k < size and 0 <= m < size and not cut:
                seen[i, j] = image[k, m]
    return seen


@pytest.mark.parametrize("channels", [1, 3])
def test_every_pixel_is_that_of_a_plain_implementation(channels: int):
    images, randoms = _images(channels), _randoms()

    changed = augment(tuple(map(tf.constant, images)), tf.constant(randoms))

    for scale, before in zip(changed, images, strict=True):
        wanted = [_plain(*pair) for pair in zip(before, randoms, strict=True)]
        np.testing.assert_allclose(scale, wanted, atol=1e-5)


@pytest.mark.parametrize("channels", [1, 3])
def test_gradients_reach_the_pixels_that_are_left(channels: int):
    images, randoms = tuple(map(tf.constant, _images(channels))), _randoms()
    towards = tuple(map(tf.constant, _images(channels)))
    weights = [scale[:, ::-1] for scale in _images(channels)]

    with tf.GradientTape() as tape:
        tape.watch(images)
        changed = augment(images, tf.constant(randoms))
        total = tf.add_n(
            [tf.reduce_sum(s * w) for s, w in zip(changed, weights, strict=True)]
        )
    gradients = tape.gradient(total, images)

    # Every transformation is affine, so its difference is its gradient's product.
    moved = augment(
        tuple(i + t for i, t in zip(images, towards, strict=True)),
        tf.constant(randoms),
    )
    for before, after, weight, gradient, step in zip(
        changed, moved, weights, gradients, towards, strict=True
    ):
        seen = np.sum((after.numpy().astype(np.float64) - before.numpy()) * weight)
        assert seen == pytest.approx(
            np.sum(gradient.numpy().astype(np.float64) * step.numpy()), rel=1e-3
        )


def test_each_image_has_its_own_transformation():
    one = tuple(np.repeat(scale[:1], 64, axis=0) for scale in _images(1))

    changed = augment(tuple(map(tf.constant, one)), tf.constant(_randoms(64)))

    assert len(np.unique(changed[-1].numpy().reshape(64, -1), axis=0)) > 60
