"""Precision, recall, density, coverage and nearest neighbours."""

from __future__ import annotations

import numpy as np
import prdc
import pytest

from msg_modules.metrics import neighbours


def _features(num: int, dim: int, seed: int, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=[num, dim]) + shift


def _compare(generated: np.ndarray, real: np.ndarray, k: int = 5) -> neighbours.Overlap:
    return neighbours.compare_manifolds(
        neighbours.fit_manifold(generated, k), neighbours.fit_manifold(real, k)
    )


@pytest.mark.parametrize(
    ("num_generated", "num_real", "shift", "k"),
    [(60, 60, 0.0, 5), (40, 70, 0.8, 5), (70, 40, 3.0, 3), (8, 8, 0.1, 1)],
)
def test_agrees_with_double_loops(
    num_generated: int, num_real: int, shift: float, k: int
) -> None:
    generated, real = _features(num_generated, 3, 0, shift), _features(num_real, 3, 1)

    def distance(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.sqrt(np.sum((a - b) ** 2)))

    def reach(points: np.ndarray) -> list[float]:
        return [
            sorted(distance(p, q) for j, q in enumerate(points) if j != i)[k - 1]
            for i, p in enumerate(points)
        ]

    real_reach, generated_reach = reach(real), reach(generated)
    inside = np.array(
        [
            [
                distance(g, r) < radius
                for r, radius in zip(real, real_reach, strict=True)
            ]
            for g in generated
        ]
    )
    recalled = [
        any(
            distance(g, r) < radius
            for g, radius in zip(generated, generated_reach, strict=True)
        )
        for r in real
    ]
    found = _compare(generated, real, k)
    assert found.precision == pytest.approx(inside.any(axis=1).mean())
    assert found.recall == pytest.approx(np.mean(recalled))
    assert found.density == pytest.approx(inside.sum() / (k * num_generated))
    assert found.coverage == pytest.approx(inside.any(axis=0).mean())


@pytest.mark.parametrize("shift", [0.0, 0.3, 1.0])
def test_agrees_with_the_authors_package(
    shift: float, capsys: pytest.CaptureFixture[str]
) -> None:
    # Several chunks of the distances.
    generated, real = _features(1500, 16, 0, shift), _features(6000, 16, 1)
    wanted = prdc.compute_prdc(real, generated, nearest_k=5)
    capsys.readouterr()
    found = _compare(generated, real)
    assert found._asdict() == pytest.approx(wanted)


def test_equal_distributions_cover_each_other() -> None:
    """Coverage of equal distributions is 1 - 2^-k for many images (Naeem, C.2)."""
    found = _compare(_features(4000, 8, 0), _features(4000, 8, 1))
    assert found.coverage == pytest.approx(1 - 0.5**5, abs=0.01)
    assert found.density == pytest.approx(1, abs=0.05)


def test_collapse_is_precise_and_covers_nothing() -> None:
    real = _features(500, 4, 0)
    collapsed = np.repeat(real[:1], 500, axis=0) + 1e-3
    found = _compare(collapsed, real)
    assert found.precision == 1
    assert found.coverage < 0.05
    assert found.recall < 0.05


def test_too_few_images() -> None:
    with pytest.raises(ValueError, match="5 images"):
        neighbours.fit_manifold(np.zeros([5, 2]))


def test_nearest_finds_the_copy() -> None:
    bank = _features(300, 49, 0).reshape(300, 7, 7, 1).astype(np.float32)
    queries = bank[[7, 200]].copy()
    queries[1, 0, 0, 0] += 0.5
    found = neighbours.nearest(queries, [bank])
    assert found.indices.tolist() == [7, 200]
    np.testing.assert_allclose(found.distances, [0, 0.5], atol=1e-3)


@pytest.mark.parametrize("ends", [[], [1, 17], [13, 13, 26]])
def test_nearest_agrees_with_a_loop(ends: list[int]) -> None:
    queries, bank = _features(20, 5, 0), _features(40, 5, 1)
    chunks = [chunk for chunk in np.split(bank, ends) if len(chunk)]
    found = neighbours.nearest(queries, chunks)
    distances = np.array([[np.linalg.norm(q - b) for b in bank] for q in queries])
    np.testing.assert_array_equal(found.indices, distances.argmin(axis=1))
    np.testing.assert_allclose(found.distances, distances.min(axis=1))
