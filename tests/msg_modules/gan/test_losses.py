from __future__ import annotations

import math
import typing

import keras
import numpy as np
import pytest
import tensorflow as tf

from msg_modules.configs import TrainConfig
from msg_modules.gan import losses

LOGITS = (-3.0, -0.5, 0.0, 0.25, 4.0)


def _column(values: object) -> tf.Tensor:
    return tf.constant(np.reshape(values, [-1, 1]), tf.float32)


def _sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.asarray(values, np.float64)))


def test_non_saturating_generator_loss_is_minus_log_of_the_probability():
    loss = losses.LOSSES["non_saturating"].generator(_column(LOGITS), _column(LOGITS))

    assert loss.shape == [5]
    np.testing.assert_allclose(loss, -np.log(_sigmoid(LOGITS)), rtol=1e-5)
    assert float(loss[2]) == pytest.approx(math.log(2))


def test_non_saturating_discriminator_loss_sums_real_and_fake_image_by_image():
    real, fake = LOGITS, LOGITS[::-1]

    loss = losses.LOSSES["non_saturating"].discriminator(_column(real), _column(fake))

    wanted = -np.log(_sigmoid(real)) - np.log(1 - _sigmoid(fake))
    assert loss.shape == [5]
    np.testing.assert_allclose(loss, wanted, rtol=1e-5)
    # By hand: both logits 0 give 2 log 2.
    assert float(loss[2]) == pytest.approx(2 * math.log(2))


def test_non_saturating_losses_are_the_articles_cross_entropies():
    real, fake = _column(LOGITS), _column(LOGITS[::-1])
    entropy = keras.losses.BinaryCrossentropy(from_logits=True)
    loss = losses.LOSSES["non_saturating"]

    np.testing.assert_allclose(
        tf.reduce_mean(loss.generator(real, fake)),
        entropy(tf.ones([5, 1]), fake),
        rtol=1e-6,
    )
    np.testing.assert_allclose(
        tf.reduce_mean(loss.discriminator(real, fake)),
        entropy(tf.ones([5, 1]), real) + entropy(tf.zeros([5, 1]), fake),
        rtol=1e-6,
    )


@pytest.mark.parametrize(
    ("name", "generator", "discriminator"),
    [
        # By hand, for the pairs of logits (real, fake): (2, -3), (0.5, 0), (-1, 4).
        ("hinge", [3, 0, -4], [0 + 0, 0.5 + 1, 2 + 5]),
        ("least_squares", [16 / 2, 1 / 2, 9 / 2], [1 / 2 + 9 / 2, 1 / 8, 2 + 8]),
        # Each logit has the mean of the others taken off: real - 1/3, fake - 1/2.
        (
            "average_hinge",
            [8 / 3 + 9 / 2, 7 / 6 + 3 / 2, 0],
            [0, 5 / 6 + 1 / 2, 7 / 3 + 9 / 2],
        ),
        ("wasserstein", [3, 0, -4], [-5, -0.5, 5]),
        (
            "relativistic",
            [math.log(1 + math.exp(d)) for d in (5, 0.5, -5)],
            [math.log(1 + math.exp(d)) for d in (-5, -0.5, 5)],
        ),
    ],
)
def test_losses_have_the_values_computed_by_hand(
    name: str, generator: list[float], discriminator: list[float]
):
    real, fake = _column([2, 0.5, -1]), _column([-3, 0, 4])
    loss = losses.LOSSES[name]
    if loss.relative_to_average:
        real, fake = real - tf.reduce_mean(fake), fake - tf.reduce_mean(real)

    np.testing.assert_allclose(loss.generator(real, fake), generator, rtol=1e-5)
    np.testing.assert_allclose(loss.discriminator(real, fake), discriminator, rtol=1e-5)


@pytest.mark.parametrize("name", losses.LOSSES)
def test_each_side_of_every_loss_pulls_its_own_way(name: str):
    real, fake = _column([0.2]), _column([0.1])
    loss = losses.LOSSES[name]
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([real, fake])
        generator = loss.generator(real, fake)
        discriminator = loss.discriminator(real, fake)

    assert tape.gradient(generator, fake) < 0
    assert tape.gradient(discriminator, real) < 0
    assert tape.gradient(discriminator, fake) > 0


def test_every_loss_can_be_chosen():
    hints = typing.get_type_hints(TrainConfig)
    assert set(typing.get_args(hints["loss"])) == set(losses.LOSSES)


def test_large_logits_give_finite_losses_and_gradients():
    logits = _column([-1e4, -100.0, 100.0, 1e4])
    loss = losses.LOSSES["non_saturating"]
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(logits)
        generator = loss.generator(logits, logits)
        discriminator = loss.discriminator(logits, logits)

    np.testing.assert_allclose(generator, [1e4, 100, 0, 0], atol=1e-6)
    np.testing.assert_allclose(discriminator, [1e4, 100, 100, 1e4], rtol=1e-6)
    np.testing.assert_allclose(
        tape.gradient(generator, logits)[:, 0], [-1, -1, 0, 0], atol=1e-6
    )
    np.testing.assert_allclose(
        tape.gradient(discriminator, logits)[:, 0], [-1, -1, 1, 1], atol=1e-6
    )


def test_gradients_are_those_of_the_closed_form():
    real, fake = _column(LOGITS), _column(LOGITS[::-1])
    loss = losses.LOSSES["non_saturating"]
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([real, fake])
        generator = loss.generator(real, fake)
        discriminator = loss.discriminator(real, fake)

    np.testing.assert_allclose(
        tape.gradient(generator, fake), -_sigmoid(-fake.numpy()), rtol=1e-5
    )
    real_gradient, fake_gradient = tape.gradient(discriminator, [real, fake])
    np.testing.assert_allclose(real_gradient, -_sigmoid(-real.numpy()), rtol=1e-5)
    np.testing.assert_allclose(fake_gradient, _sigmoid(fake.numpy()), rtol=1e-5)
