from __future__ import annotations

import math
import typing

import keras
import numpy as np
import pytest
import tensorflow as tf

from msg_modules import losses
from msg_modules.configs import TrainConfig

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

    assert float(tape.gradient(generator, fake)) < 0
    assert float(tape.gradient(discriminator, real)) < 0
    assert float(tape.gradient(discriminator, fake)) > 0


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


def _penalty_of(discriminator, images):
    with tf.GradientTape() as tape:
        tape.watch(images)
        logits = discriminator(images)
    return losses.r1_penalty(tape.gradient(logits, images))


def test_r1_of_a_linear_discriminator_is_half_the_squared_norm_of_its_weights():
    generator = np.random.default_rng(0)
    images = tuple(
        tf.constant(generator.normal(size=[4, size, size, 1]), tf.float32)
        for size in (7, 14, 28)
    )
    weights = [generator.normal(size=[size, size, 1]) for size in (7, 14, 28)]

    penalty = _penalty_of(
        lambda pyramid: tf.add_n(
            [
                tf.reduce_sum(scale * tf.constant(weight, tf.float32), [1, 2, 3])
                for scale, weight in zip(pyramid, weights, strict=True)
            ]
        ),
        images,
    )

    # The mean over the scales of ½ |w|², the same for every image.
    wanted = np.mean([0.5 * np.sum(np.square(weight)) for weight in weights])
    assert penalty.shape == [4]
    np.testing.assert_allclose(penalty, [wanted] * 4, rtol=1e-5)


def test_r1_of_a_quadratic_discriminator_depends_on_each_image_alone():
    generator = np.random.default_rng(1)
    images = tuple(
        tf.constant(generator.normal(size=[3, size, size, 1]), tf.float32)
        for size in (7, 14, 28)
    )

    # D = Σ a_s |x_s|² / 2 has the gradient a_s x_s.
    factors = (1.0, 2.0, 3.0)
    penalty = _penalty_of(
        lambda pyramid: tf.add_n(
            [
                factor * tf.reduce_sum(scale**2, [1, 2, 3]) / 2
                for factor, scale in zip(factors, pyramid, strict=True)
            ]
        ),
        images,
    )

    wanted = np.mean(
        [
            0.5 * factor**2 * np.sum(np.square(scale.numpy()), axis=(1, 2, 3))
            for factor, scale in zip(factors, images, strict=True)
        ],
        axis=0,
    )
    assert len(set(np.round(wanted, 3))) == 3
    np.testing.assert_allclose(penalty, wanted, rtol=1e-5)


def test_r1_is_the_mean_over_the_scales_rather_than_the_sum():
    gradient = tf.ones([2, 2, 2, 1])

    for copies in (1, 2, 3):
        np.testing.assert_allclose(losses.r1_penalty([gradient] * copies), [2.0, 2.0])


def test_r1_can_be_differentiated_by_the_discriminators_weights():
    weight = tf.Variable(3.0)
    images = (tf.ones([2, 2, 2, 1]), tf.ones([2, 4, 4, 1]))
    with tf.GradientTape() as tape:
        with tf.GradientTape() as image_tape:
            image_tape.watch(images)
            logits = weight * tf.add_n(
                [tf.reduce_sum(scale, [1, 2, 3]) for scale in images]
            )
        penalty = losses.r1_penalty(image_tape.gradient(logits, images))

    # ½ · (4 w² + 16 w²) / 2 for each of two images; its derivative is 10 w each.
    np.testing.assert_allclose(penalty, [45.0, 45.0])
    assert tape.gradient(penalty, weight).numpy() == pytest.approx(60.0)
