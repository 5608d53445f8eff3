"""Generators and discriminators that take classes."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf
from specs import FASHION

from msg_modules.configs import ModelConfig, TrainConfig
from msg_modules.gan import networks, penalties
from msg_modules.gan.losses import LOSSES
from msg_modules.gan.step import Gan

NUM_CLASSES, LATENT_DIM = 3, 8
MODEL = ModelConfig(network="compact", latent_dim=LATENT_DIM)
LABELS = np.array([0, 2, 1, 2])
CLASSES = tf.constant(np.eye(NUM_CLASSES, dtype=np.float32)[LABELS])


def _make_gan(**recipe: object) -> Gan:
    config = TrainConfig(batch_size=4, seed=6, beta_1=0.5, **recipe)
    return Gan(MODEL, config, FASHION, 1, NUM_CLASSES)


def _codes() -> tf.Tensor:
    seed = tf.constant([6, 0], tf.int64)
    return tf.concat([tf.random.stateless_normal([4, LATENT_DIM], seed), CLASSES], 1)


def _first_gradients(optimizer: keras.optimizers.Adam) -> list[np.ndarray]:
    """Adam's first moments after one step are (1 - beta_1) times the gradients."""
    moments = [v for v in optimizer.variables if "momentum" in v.path]
    return [moment.numpy() / (1 - 0.5) for moment in moments]


def _assert_close(seen: list[np.ndarray], wanted: list[tf.Tensor]) -> None:
    assert len(seen) == len(wanted)
    largest = max(float(np.max(np.abs(gradient))) for gradient in wanted)
    for one, other in zip(seen, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=2e-6 * largest)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_step_equals_separate_passes_with_the_classes_of_the_real_images(
    make_pyramids: Callable, loss: str
):
    gan = _make_gan(loss=loss, r1_gamma=0.0)
    images = tuple(map(tf.constant, make_pyramids(4)))
    sides = LOSSES[loss]
    with tf.GradientTape(persistent=True) as tape:
        fakes = gan.generator(_codes(), training=True)
        real = gan.discriminator([*images, CLASSES], training=True)
        fake = gan.discriminator([*fakes, CLASSES], training=True)
        if sides.relative_to_average:
            real, fake = real - tf.reduce_mean(fake), fake - tf.reduce_mean(real)
        generator_loss = tf.reduce_mean(sides.generator(real, fake))
        discriminator_loss = tf.reduce_mean(sides.discriminator(real, fake))
    wanted = [
        tape.gradient(generator_loss, gan.generator.trainable_variables),
        tape.gradient(discriminator_loss, gan.discriminator.trainable_variables),
    ]

    gan.replica_step(images, False, CLASSES)

    _assert_close(_first_gradients(gan.generator_optimizer), wanted[0])
    _assert_close(_first_gradients(gan.discriminator_optimizer), wanted[1])


def test_penalties_are_taken_at_the_classes_of_the_images(make_pyramids: Callable):
    images = tuple(map(tf.constant, make_pyramids(4)))
    gradients = []
    for with_penalty in (False, True):
        gan = _make_gan(r1_gamma=0.7, penalty_interval=3)
        gan.replica_step(images, with_penalty, CLASSES)
        gradients.append(_first_gradients(gan.discriminator_optimizer))
    twin = _make_gan()
    with tf.GradientTape() as tape:
        penalty = penalties.squared_norm_penalty(
            lambda scales: twin.discriminator([*scales, CLASSES]), images
        )
        total = 3 * 0.7 * tf.reduce_mean(penalty)
    extra = tape.gradient(total, twin.discriminator.trainable_variables)

    _assert_close(
        gradients[1],
        [
            plain if more is None else plain + more.numpy()
            for plain, more in zip(gradients[0], extra, strict=True)
        ],
    )


def test_the_logit_is_that_of_a_projection_discriminator(make_pyramids: Callable):
    """Miyato & Koyama (arXiv 1802.05637), eq. 3: y^T V phi(x) + psi(phi(x))."""
    gan = _make_gan()
    images = make_pyramids(4)
    network = gan.discriminator
    flatten = next(
        layer for layer in network.layers if isinstance(layer, keras.layers.Flatten)
    )
    phi = keras.Model(network.inputs, flatten.output)(
        [*map(tf.constant, images), CLASSES]
    ).numpy()
    embedding, head = (
        layer.get_weights()
        for shape in (NUM_CLASSES, phi.shape[1])
        for layer in network.layers
        if isinstance(layer, keras.layers.Dense) and layer.kernel.shape[0] == shape
    )

    logits = network([*map(tf.constant, images), CLASSES]).numpy()[:, 0]

    projected = np.sum(embedding[0][LABELS] * phi, axis=1)
    np.testing.assert_allclose(
        logits, projected + phi @ head[0][:, 0] + head[1], rtol=1e-4, atol=1e-5
    )
    assert np.max(np.abs(projected)) > 0.01


def test_a_code_with_another_class_draws_another_image():
    generator, _ = networks.build(
        "compact", LATENT_DIM, FASHION, num_classes=NUM_CLASSES
    )
    latents = np.repeat(np.float32([[1.0] * LATENT_DIM]), NUM_CLASSES, axis=0)
    codes = np.concatenate([latents, np.eye(NUM_CLASSES, dtype=np.float32)], 1)

    for scale in generator(codes):
        first, second, third = scale.numpy()
        assert np.max(np.abs(first - second)) > 1e-3
        assert np.max(np.abs(second - third)) > 1e-3


def test_in_bfloat16_logits_and_images_are_float32(make_pyramids: Callable):
    gan = _make_gan(precision="bfloat16")
    images = tuple(map(tf.constant, make_pyramids(4)))

    metrics = gan.replica_step(images, True, CLASSES)

    assert np.all(np.isfinite(metrics))
    assert gan.discriminator([*images, CLASSES]).dtype == tf.float32
    assert all(scale.dtype == tf.float32 for scale in gan.generator(_codes()))
