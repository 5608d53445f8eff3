"""Histograms of classes, and pyramids whose scales do not fit."""

from __future__ import annotations

import numpy as np
import PIL.Image
import pytest
import scipy.stats

from msg_modules.metrics import classes, consistency


def test_histogram_counts_the_largest_logit() -> None:
    logits = np.array([[0.0, 5, 1, 0], [9, 1, 2, 0], [-3, -1, -2, -9], [1, 2, 0, 0]])
    np.testing.assert_array_equal(classes.histogram(logits), [0.25, 0.75, 0, 0])


@pytest.mark.parametrize(
    "shares", [[1.0, 0, 0], [0.5, 0.5, 0], [0.2, 0.3, 0.5], [1 / 3] * 3]
)
def test_entropy_agrees_with_scipy(shares: list[float]) -> None:
    wanted = scipy.stats.entropy(shares, base=2)
    assert classes.entropy(np.array(shares)) == pytest.approx(wanted)


def test_entropy_of_a_single_class_is_printed_without_a_sign() -> None:
    assert f"{classes.entropy(np.array([0.0, 1.0])):.2f}" == "0.00"


@pytest.mark.parametrize(
    ("a", "b", "wanted"),
    [
        ([1.0, 0.0], [1.0, 0.0], 0.0),
        ([1.0, 0.0], [0.0, 1.0], 1.0),
        ([0.1] * 10, [1.0] + [0.0] * 9, 0.9),
    ],
)
def test_total_variation(a: list[float], b: list[float], wanted: float) -> None:
    assert classes.total_variation(np.array(a), np.array(b)) == pytest.approx(wanted)


def _pyramid(large: np.ndarray) -> list[np.ndarray]:
    """As bilinear interpolation without antialiasing samples it: block centres."""
    fourth = large.reshape(-1, 14, 2, 14, 2, 1).mean(axis=(2, 4))
    # At a factor of 4 the samples lie between the middle two of four pixels.
    middle = large.reshape(-1, 7, 4, 7, 4, 1)[:, :, 1:3, :, 1:3].mean(axis=(2, 4))
    return [middle, fourth, large]


@pytest.fixture
def large() -> np.ndarray:
    generator = np.random.default_rng(0)
    return generator.uniform(-1, 1, [1200, 28, 28, 1]).astype(np.float32)


def test_consistent_scales(large: np.ndarray) -> None:
    assert consistency.inconsistency(_pyramid(large)) == pytest.approx(
        {7: 0, 14: 0}, abs=1e-6
    )


def test_a_shift_of_brightness_is_found_in_its_scale(large: np.ndarray) -> None:
    small, middle, _ = _pyramid(large)
    found = consistency.inconsistency([small + 0.25, middle, large])
    assert found == pytest.approx({7: 0.25, 14: 0}, abs=1e-6)


def test_scales_of_other_images(large: np.ndarray) -> None:
    small, middle, _ = _pyramid(large)
    found = consistency.inconsistency([small, middle[::-1], large])
    assert found[7] == pytest.approx(0, abs=1e-6)
    # Two independent means of four uniform values.
    assert found[14] == pytest.approx(np.sqrt(2 * (1 / 3) / 4), rel=0.01)


def test_agrees_with_pillow_at_half_the_size(large: np.ndarray) -> None:
    image = PIL.Image.fromarray(large[0, ..., 0], mode="F")
    half = np.asarray(image.resize([14, 14], PIL.Image.Resampling.BOX))[None, ..., None]
    small = _pyramid(large[:1])[0]
    found = consistency.inconsistency([small, half, large[:1]])
    assert found[14] == pytest.approx(0, abs=1e-6)
