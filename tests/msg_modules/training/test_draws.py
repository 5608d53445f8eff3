from __future__ import annotations

import pathlib

import numpy as np
import pytest
import tensorflow as tf
from specs import FASHION

from msg_modules.gan import networks
from msg_modules.pictures.sheets import to_uint8
from msg_modules.training import draws

CODES = tf.random.stateless_normal([draws.NUM_IMAGES, 8], seed=[3, 0])


@pytest.fixture(scope="module")
def generator():
    return networks.build("compact", 8, FASHION)[0]


def test_what_was_drawn_is_read_again(generator, tmp_path: pathlib.Path):
    kept = draws.Draws(tmp_path, CODES)
    kept.draw(generator, 5)
    kept.draw(generator, 20)

    read = draws.read_draws(tmp_path)

    assert list(read) == [5, 20]
    np.testing.assert_array_equal(read[5], read[20])  # the same codes
    assert read[5].shape == (1000, 28, 28, 1)
    assert np.unique(to_uint8(read[5]).reshape(1000, -1), axis=0).shape[0] == 1000
    again = draws.Draws(tmp_path / "again", CODES)
    again.draw(generator, 5)
    np.testing.assert_array_equal(draws.read_draws(tmp_path / "again")[5], read[5])


def test_draws_of_steps_that_are_trained_again_are_dropped(
    generator, tmp_path: pathlib.Path
):
    kept = draws.Draws(tmp_path, CODES)
    for step in (5, 10, 15):
        kept.draw(generator, step)

    kept.drop_after(10)

    assert list(draws.read_draws(tmp_path)) == [5, 10]


def test_a_long_training_draws_ever_less_often(generator, tmp_path: pathlib.Path):
    kept = draws.Draws(tmp_path, CODES)
    assert kept.is_due(1)
    kept.draw(generator, 100)

    assert not kept.is_due(109)
    assert kept.is_due(110)


def test_a_training_without_draws(tmp_path: pathlib.Path):
    assert draws.read_draws(tmp_path) == {}
