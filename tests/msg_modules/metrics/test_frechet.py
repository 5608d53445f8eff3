"""The Frechet distance, against closed forms and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg

from msg_modules.metrics import frechet


def _features(num: int, dim: int, seed: int, shift: float = 0.0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    mixing = np.random.default_rng(seed + 100).normal(size=[dim, dim])
    return generator.normal(size=[num, dim]) @ mixing + shift


def _distance(a: np.ndarray, b: np.ndarray) -> float:
    return frechet.gaussian_distance(frechet.fit_gaussian(a), frechet.fit_gaussian(b))


def _textbook(a: np.ndarray, b: np.ndarray) -> float:
    """The formula as written, with SciPy's matrix square root."""
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = scipy.linalg.sqrtm(cov_a @ cov_b).real
    gap = a.mean(axis=0) - b.mean(axis=0)
    return float(gap @ gap + np.trace(cov_a + cov_b - 2 * root))


@pytest.mark.parametrize("dim", [1, 2, 16, 64])
def test_agrees_with_scipy(dim: int) -> None:
    if dim == 1:
        a, b = _features(50, 1, 0), _features(70, 1, 1, shift=2.0)
        wanted = (a.mean() - b.mean()) ** 2 + (a.std(ddof=1) - b.std(ddof=1)) ** 2
    else:
        a, b = _features(500, dim, 0), _features(700, dim, 1, shift=0.5)
        wanted = _textbook(a, b)
    assert _distance(a, b) == pytest.approx(wanted, rel=1e-8)


def test_closed_form_of_gaussians_whose_covariances_commute() -> None:
    """|m_a - m_b|^2 + sum (s_a - s_b)^2 along common axes, turned together."""
    axes, _ = np.linalg.qr(np.random.default_rng(0).normal(size=[5, 5]))
    s_a, s_b = np.array([1, 2, 3, 0, 0.5]), np.array([2, 2, 0, 1, 0.5])
    gap = np.array([1.0, -2.0, 0.0, 0.0, 3.0])
    a = frechet.Gaussian(np.zeros(5), (axes * s_a**2) @ axes.T)
    b = frechet.Gaussian(gap, (axes * s_b**2) @ axes.T)
    assert frechet.gaussian_distance(a, b) == pytest.approx(14 + 1 + 9 + 1)


def test_samples_come_near_the_distance_of_their_distributions() -> None:
    generator = np.random.default_rng(0)
    a = generator.normal(0.0, 1.0, [200_000, 3])
    b = generator.normal(1.0, 2.0, [200_000, 3])
    assert _distance(a, b) == pytest.approx(3 * (1 + 1), rel=0.02)


def test_is_a_distance() -> None:
    a, b = _features(300, 8, 0), _features(300, 8, 1)
    assert _distance(a, a) == pytest.approx(0, abs=1e-9)
    there, back = _distance(a, b), _distance(b, a)
    assert there == pytest.approx(back)
    assert there > 0


def test_constant_and_dead_features() -> None:
    """Collapsed images and units that never fire have singular covariances."""
    a = _features(300, 8, 0)
    a[:, :3] = 0
    constant = np.zeros([300, 8])
    wanted = np.sum(a.mean(axis=0) ** 2) + np.trace(np.cov(a, rowvar=False))
    assert _distance(a, constant) == pytest.approx(wanted)
    assert _distance(constant, constant) == 0


def test_float32_features_far_from_zero_lose_nothing() -> None:
    a, b = _features(1000, 4, 0), _features(1000, 4, 1)
    exact = _distance(a, b)
    moved = _distance((a + 1000).astype(np.float32), (b + 1000).astype(np.float32))
    assert moved == pytest.approx(exact, rel=1e-2)


@pytest.mark.parametrize(
    ("features", "words"),
    [
        (np.zeros([1, 4]), "n >= 2"),
        (np.zeros([4]), "n >= 2"),
        (np.full([3, 4], np.nan), "NaN"),
        (np.full([3, 4], np.inf), "infinite"),
        (np.zeros([3, 5]), "same extractor"),
    ],
)
def test_features_that_cannot_be_compared(features: np.ndarray, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        _distance(features, np.zeros([3, 4]))


def test_a_fit_is_that_of_numpy_however_many_images() -> None:
    # More than are held in memory at once, far from 0.
    random = np.random.default_rng(0)
    features = (random.normal(size=[25_003, 5]) + 100).astype(np.float32)

    fitted = frechet.fit_gaussian(features)

    exact = features.astype(np.float64)
    np.testing.assert_allclose(fitted.mean, exact.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(
        fitted.covariance, np.cov(exact, rowvar=False), rtol=1e-9, atol=1e-12
    )
