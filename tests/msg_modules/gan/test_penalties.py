from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from msg_modules.gan import penalties


def test_the_squared_norm_of_a_linear_discriminator_is_half_that_of_its_weights():
    generator = np.random.default_rng(0)
    images = tuple(
        tf.constant(generator.normal(size=[4, size, size, 1]), tf.float32)
        for size in (7, 14, 28)
    )
    weights = [generator.normal(size=[size, size, 1]) for size in (7, 14, 28)]

    penalty = penalties.squared_norm_penalty(
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


def test_the_squared_norm_of_a_quadratic_discriminator_depends_on_each_image_alone():
    generator = np.random.default_rng(1)
    images = tuple(
        tf.constant(generator.normal(size=[3, size, size, 1]), tf.float32)
        for size in (7, 14, 28)
    )

    # D = Σ a_s |x_s|² / 2 has the gradient a_s x_s.
    factors = (1.0, 2.0, 3.0)
    penalty = penalties.squared_norm_penalty(
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


def test_the_squared_norm_is_the_mean_over_the_scales_rather_than_the_sum():
    for copies in (1, 2, 3):
        penalty = penalties.squared_norm_penalty(
            lambda pyramid: tf.add_n([tf.reduce_sum(s, [1, 2, 3]) for s in pyramid]),
            tuple(tf.ones([2, 2, 2, 1]) for _ in range(copies)),
        )
        np.testing.assert_allclose(penalty, [2.0, 2.0])


def test_the_squared_norm_can_be_differentiated_by_the_discriminators_weights():
    weight = tf.Variable(3.0)
    images = (tf.ones([2, 2, 2, 1]), tf.ones([2, 4, 4, 1]))
    with tf.GradientTape() as tape:
        penalty = penalties.squared_norm_penalty(
            lambda pyramid: (
                weight
                * tf.add_n([tf.reduce_sum(scale, [1, 2, 3]) for scale in pyramid])
            ),
            images,
        )

    # ½ · (4 w² + 16 w²) / 2 for each of two images; its derivative is 10 w each.
    np.testing.assert_allclose(penalty, [45.0, 45.0])
    assert tape.gradient(penalty, weight).numpy() == pytest.approx(60.0)


def test_the_gradient_penalty_pulls_every_norm_to_one():
    images = (tf.ones([2, 2, 2, 1]), tf.ones([2, 4, 4, 1]))

    # The gradients' norms are 2 w and 4 w.
    for weight, wanted in ((0.5, (0 + 1) / 2), (0.25, (1 / 4 + 0) / 2), (0.0, 1.0)):
        penalty = penalties.gradient_penalty(
            lambda pyramid, weight=weight: (
                weight
                * tf.add_n([tf.reduce_sum(scale, [1, 2, 3]) for scale in pyramid])
            ),
            images,
            images,
            tf.constant([0.3, 0.9]),
        )
        np.testing.assert_allclose(penalty, [wanted, wanted], atol=1e-5)


def test_the_gradient_penalty_looks_at_the_same_mixture_of_every_scale():
    real = (tf.fill([2, 2, 2, 1], 1.0), tf.fill([2, 4, 4, 1], 2.0))
    fake = (tf.fill([2, 2, 2, 1], -1.0), tf.fill([2, 4, 4, 1], 0.0))
    seen = []

    def discriminator(pyramid):
        seen.append([scale.numpy() for scale in pyramid])
        return tf.add_n([tf.reduce_sum(scale**2, [1, 2, 3]) for scale in pyramid])

    penalty = penalties.gradient_penalty(
        discriminator, real, fake, tf.constant([0.25, 1.0])
    )

    (mixtures,) = seen
    np.testing.assert_allclose(mixtures[0][:, 0, 0, 0], [-0.5, 1.0])
    np.testing.assert_allclose(mixtures[1][:, 0, 0, 0], [0.5, 2.0])
    # The gradient is twice the image: norms 2·2·½ = 2 and 2·4·½ = 4, 4 and 16.
    np.testing.assert_allclose(penalty, [(1 + 9) / 2, (9 + 225) / 2], rtol=1e-5)


def test_the_gradient_penalty_of_a_flat_discriminator_has_finite_gradients():
    weight = tf.Variable(0.0)
    images = (tf.ones([1, 2, 2, 1]),)
    with tf.GradientTape() as tape:
        penalty = penalties.gradient_penalty(
            lambda pyramid: weight * tf.reduce_sum(pyramid[0], [1, 2, 3]),
            images,
            images,
            tf.constant([0.5]),
        )

    assert np.isfinite(tape.gradient(penalty, weight).numpy())
