from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.spatial.distance
from eight_bits import examples_of

from msg_modules.training import health


def _images(num_images: int, seed: int = 0) -> np.ndarray:
    """Smooth blobs at random places."""
    generator = np.random.default_rng(seed)
    centres = generator.uniform(4, 24, [num_images, 2])
    rows, columns = np.mgrid[:28, :28]
    squares = (rows - centres[:, :1, None]) ** 2 + (columns - centres[:, 1:, None]) ** 2
    return (2 * np.exp(-squares / 50) - 1).astype(np.float32)[..., None]


@pytest.fixture
def watch() -> health.CollapseWatch:
    return health.CollapseWatch(examples_of(_images(500)))


def _reports(watch: health.CollapseWatch, accuracies: list[tuple[float, float]]):
    for step, (real, fake) in enumerate(accuracies, start=1):
        watch.see_report(50 * step, real, fake)


def _shown(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().out.replace("\u2502", " ").split())


def test_spread_is_that_of_pairs():
    images = _images(20).astype(np.float64)

    flat = images.reshape([20, -1])
    squares = scipy.spatial.distance.cdist(flat, flat, "sqeuclidean")
    wanted = np.sqrt(squares.mean() / 2 / flat.shape[1])
    assert health.spread(images) == pytest.approx(wanted)
    assert health.spread(3 * images + 5) == pytest.approx(3 * wanted)
    assert health.spread(np.repeat(images[:1], 9, axis=0)) == pytest.approx(0)


@pytest.mark.parametrize(
    ("accuracies", "words"),
    [
        ((1.0, 0.995), "classified nearly all images"),
        ((0.5, 0.51), "no better than chance"),
        ((1.0, 0.0), "no better than chance"),
    ],
    ids=["perfect", "guessing", "all-real"],
)
def test_what_lasts_is_warned_of_once_for_each_time(
    watch: health.CollapseWatch,
    capsys: pytest.CaptureFixture[str],
    accuracies: tuple[float, float],
    words: str,
):
    healthy = (0.8, 0.7)
    _reports(watch, [accuracies] * 9 + [healthy] + [accuracies] * 9)
    assert _shown(capsys) == ""

    _reports(watch, [accuracies] * 40)
    assert _shown(capsys).count(words) == 1

    _reports(watch, [healthy] + [accuracies] * 40)
    assert _shown(capsys).count(words) == 1


@pytest.mark.parametrize("accuracies", [(0.9, 1.0), (0.6, 0.55), (0.7, 0.9)])
def test_a_game_that_goes_on_is_not_warned_of(
    watch: health.CollapseWatch,
    capsys: pytest.CaptureFixture[str],
    accuracies: tuple[float, float],
):
    _reports(watch, [accuracies] * 50)

    assert _shown(capsys) == ""


@pytest.mark.parametrize("gain", [0.1, 1.0])
def test_samples_alike_are_warned_of_whatever_the_contrast(
    capsys: pytest.CaptureFixture[str], gain: float
):
    # Training images and samples of the same contrast, high or low.
    watch = health.CollapseWatch(examples_of(gain * _images(500)))
    one = np.repeat(_images(1, seed=7), 40, axis=0)
    nearly = gain * (0.9 * one + 0.1 * _images(40, seed=8))

    for step in range(1, 10):
        watch.see_samples(step, nearly)
    shown = _shown(capsys)
    assert shown.count("nearly the same image") == 1
    assert "Step 3:" in shown

    for step, images in itertools.product(range(10, 15), [nearly, gain * _images(40)]):
        watch.see_samples(step, images)
    assert _shown(capsys) == ""
