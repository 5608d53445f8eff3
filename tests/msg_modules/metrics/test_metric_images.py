"""Images as the metrics see them."""

from __future__ import annotations

import io

import numpy as np
import PIL.Image
import pytest

from msg_modules.metrics import images


def test_quantised_images_are_those_that_a_png_keeps() -> None:
    values = np.random.default_rng(0).uniform(-1, 1, [28, 28, 1]).astype(np.float32)
    buffer = io.BytesIO()
    pixels = np.rint((values[..., 0] + 1) * 127.5).astype(np.uint8)
    PIL.Image.fromarray(pixels).save(buffer, "png")
    read = np.asarray(PIL.Image.open(buffer), np.float32)[..., None] / 127.5 - 1
    quantised = images.quantise(values)
    np.testing.assert_allclose(quantised, read, atol=1e-6)
    assert quantised.dtype == np.float32
    assert np.abs(quantised - values).max() <= 0.5 / 127.5 + 1e-6


def test_quantising_twice_changes_nothing_and_keeps_all_levels() -> None:
    levels = np.arange(256, dtype=np.float32) / 127.5 - 1
    np.testing.assert_array_equal(images.quantise(levels), images.quantise(levels))
    np.testing.assert_array_equal(
        images.quantise(images.quantise(levels)), images.quantise(levels)
    )
    assert len(np.unique(images.quantise(levels))) == 256


def test_noise_is_uniform_and_repeatable() -> None:
    first = images.noise(100, seed=3, shape=(28, 28, 1))
    assert first.shape == (100, 28, 28, 1)
    assert first.mean() == pytest.approx(0, abs=0.01)
    assert first.std() == pytest.approx(1 / np.sqrt(3), rel=0.01)
    np.testing.assert_array_equal(first, images.quantise(first))
    np.testing.assert_array_equal(first, images.noise(100, seed=3, shape=(28, 28, 1)))
    assert not np.array_equal(first, images.noise(100, seed=4, shape=(28, 28, 1)))
    assert images.noise(2, seed=0, shape=(7, 7, 3)).shape == (2, 7, 7, 3)
