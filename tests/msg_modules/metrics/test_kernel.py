"""The kernel distance, against double loops and what it estimates."""

from __future__ import annotations

import numpy as np
import pytest

from msg_modules.metrics import kernel


def _features(num: int, dim: int, seed: int, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=[num, dim]) + shift


def _looped_mmd(x: np.ndarray, y: np.ndarray) -> float:
    def k(a: np.ndarray, b: np.ndarray) -> float:
        return float((np.dot(a, b) / len(a) + 1) ** 3)

    m, n = len(x), len(y)
    within_x = [k(x[i], x[j]) for i in range(m) for j in range(m) if i != j]
    within_y = [k(y[i], y[j]) for i in range(n) for j in range(n) if i != j]
    between = [k(a, b) for a in x for b in y]
    return float(np.mean(within_x) + np.mean(within_y) - 2 * np.mean(between))


def test_mmd_agrees_with_double_loops() -> None:
    x, y = _features(20, 6, 0), _features(31, 6, 1, shift=0.4)
    assert kernel.squared_mmd(x, y) == pytest.approx(_looped_mmd(x, y), rel=1e-10)


def test_mmd_is_unbiased() -> None:
    """Of equal distributions it is 0 on average, not for every draw."""
    draws = [
        kernel.squared_mmd(_features(20, 4, 2 * i), _features(20, 4, 2 * i + 1))
        for i in range(2000)
    ]
    standard_error = np.std(draws) / np.sqrt(len(draws))
    assert abs(np.mean(draws)) < 4 * standard_error
    assert min(draws) < 0 < max(draws)


def test_closed_form_of_constant_features() -> None:
    """k(a, a) + k(b, b) - 2 k(a, b) with a = 0, b = 1."""
    distance = kernel.kernel_distance(np.zeros([10, 3]), np.ones([10, 3]))
    assert distance.mean == pytest.approx(1 + 2**3 - 2 * 1)
    assert distance.std == 0


@pytest.mark.slow
def test_grows_with_the_shift_and_has_a_spread() -> None:
    real = _features(3000, 8, 0)
    distances = [
        kernel.kernel_distance(_features(3000, 8, 1, shift), real)
        for shift in (0.0, 0.2, 0.5, 1.0)
    ]
    means = [distance.mean for distance in distances]
    assert means == sorted(means)
    assert abs(means[0]) < 2 * distances[0].std
    assert means[1] > 5 * distances[1].std
    assert all(distance.std > 0 for distance in distances)


def test_same_seed_same_subsets() -> None:
    x, y = _features(100, 4, 0), _features(100, 4, 1)
    assert kernel.kernel_distance(x, y, 3) == kernel.kernel_distance(x, y, 3)
    assert kernel.kernel_distance(x, y, 3) != kernel.kernel_distance(x, y, 4)


@pytest.mark.parametrize(
    ("shape", "words"), [([3, 4], "at least 4"), ([5, 3], "same extractor")]
)
def test_features_that_cannot_be_compared(shape: list[int], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        kernel.kernel_distance(np.zeros(shape), np.zeros([5, 4]))
