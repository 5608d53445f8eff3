from __future__ import annotations

import numpy as np
import pytest
import scipy.spatial
import tensorflow as tf

from msg_modules.common.errors import ConfigError
from msg_modules.generator import latents

START, END = np.random.default_rng(0).normal(size=[2, 16])


def test_latents_of_a_seed_are_those_of_the_signature_sample():
    drawn = latents.draw_latents(5, 16, seed=-(2**40))

    wanted = tf.random.stateless_normal([5, 16], tf.constant([-(2**40), 0], tf.int64))
    np.testing.assert_array_equal(drawn, wanted)
    assert drawn.dtype == np.float32
    np.testing.assert_allclose(
        latents.draw_latents(5, 16, -(2**40), truncation=0.25), drawn / 4, rtol=1e-6
    )
    assert not np.any(latents.draw_latents(5, 16, truncation=0))


def test_blocks_of_a_seed_are_independent_and_standard_normal():
    blocks = np.array([latents.draw_latents(5000, 2, 7, block=b) for b in range(3)])

    assert np.mean(blocks) == pytest.approx(0, abs=0.03)
    assert np.std(blocks) == pytest.approx(1, abs=0.03)
    correlations = np.corrcoef(blocks.reshape(3, -1))
    np.testing.assert_allclose(correlations, np.eye(3), atol=0.06)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"num_images": 0}, "num_images is 0"),
        ({"num_images": -1}, "num_images is -1"),
        ({"num_images": 2**31}, "between 1 and 2147483647"),
        ({"seed": 2**63}, "64-bit"),
        ({"truncation": 1.5}, "truncation is 1.5; it must be between 0 and 1"),
        ({"truncation": float("nan")}, "truncation is nan"),
    ],
)
def test_what_cannot_be_drawn_is_named(arguments: dict[str, float], words: str):
    with pytest.raises(ConfigError, match=words):
        latents.draw_latents(**{"num_images": 1, "latent_dim": 4, **arguments})


def test_the_great_circle_is_scipys():
    start, end = (v / np.linalg.norm(v) for v in (START, END))

    way = latents.interpolate_latents(3 * start, 3 * end, steps=7)

    wanted = scipy.spatial.geometric_slerp(start, end, np.linspace(0, 1, 7))
    assert way.shape == (7, 16)
    assert way.dtype == np.float32
    np.testing.assert_allclose(way, 3 * wanted, atol=1e-6)


def test_the_length_changes_evenly_along_the_great_circle():
    way = latents.interpolate_latents(START, 2 * END, steps=5)

    lengths = np.linalg.norm([START, 2 * END], axis=1)
    np.testing.assert_allclose(
        np.linalg.norm(way, axis=1), np.linspace(*lengths, 5), rtol=1e-5
    )
    np.testing.assert_allclose(way[[0, -1]], [START, 2 * END], rtol=1e-5)


def test_the_straight_line_is_numpys():
    way = latents.interpolate_latents(START, END, steps=6, spherical=False)

    np.testing.assert_allclose(way, np.linspace(START, END, 6), atol=1e-6)


@pytest.mark.parametrize(
    "end",
    [START, 3 * START, 0 * START, -2 * START],
    ids=["same", "longer", "zero", "opposite"],
)
def test_where_there_is_no_circle_the_line_is_taken(end: np.ndarray):
    way = latents.interpolate_latents(START, end, steps=4)

    np.testing.assert_allclose(way, np.linspace(START, end, 4), atol=1e-6)


@pytest.mark.parametrize(
    ("start", "end", "steps", "words"),
    [
        (START, END, 1, "steps is 1; it must be at least 2"),
        (START, END[:-1], 3, r"\[16\] and \[15\]"),
        (START[None], END[None], 3, r"\[1, 16\]"),
        (START, END * np.nan, 3, "NaN"),
        (np.full(16, np.inf), END, 3, "infinite"),
    ],
    ids=["steps", "length", "rank", "nan", "infinite"],
)
def test_a_way_that_does_not_exist_is_refused(
    start: np.ndarray, end: np.ndarray, steps: int, words: str
):
    with pytest.raises(ConfigError, match=words):
        latents.interpolate_latents(start, end, steps)
