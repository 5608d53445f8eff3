"""A small MSG-GAN for 28x28 images, fast on a few CPU cores."""

from __future__ import annotations

import keras
import tensorflow as tf
from keras import layers

from msg_modules.data.preprocessing import PYRAMID_KEYS, PYRAMID_SIZES
from msg_modules.gan.networks.normalization import FusedBatchNormalization

_MOMENTUM = 0.9
_NEGATIVE_SLOPE = 0.2


def build(latent_dim: int) -> tuple[keras.Model, keras.Model]:
    """Builds the generator and the discriminator; see `networks.build`."""
    return build_generator(latent_dim), build_discriminator()


def build_generator(latent_dim: int) -> keras.Model:
    """Builds the generator: 3x3 convolutions after nearest-neighbour upsampling.

    Nearest-neighbour upsampling avoids checkerboard artefacts, and costs less than a
    transposed convolution with a larger kernel.
    """
    latents = keras.Input([latent_dim], name="latents")
    x = layers.Dense(7 * 7 * 64, use_bias=False)(latents)
    x = layers.Reshape([7, 7, 64])(_norm_relu(x))
    x = _norm_relu(_conv(x, 64))
    image_7 = _to_image(x, 1, PYRAMID_KEYS[0])
    x = _norm_relu(_conv(layers.UpSampling2D()(x), 32))
    image_14 = _to_image(x, 1, PYRAMID_KEYS[1])
    x = _norm_relu(_conv(layers.UpSampling2D()(x), 16))
    image_28 = _to_image(x, 3, PYRAMID_KEYS[2])
    return keras.Model(latents, [image_7, image_14, image_28], name="generator")


def build_discriminator() -> keras.Model:
    """Builds the discriminator: strided convolutions with an input at each scale.

    The smaller images are concatenated after a 1x1 convolution, like `lin_cat` in the
    MSG-GAN paper (arXiv 1903.06048, section 3).
    """
    image_7, image_14, image_28 = (
        keras.Input([size, size, 1], name=name)
        for name, size in zip(PYRAMID_KEYS, PYRAMID_SIZES, strict=True)
    )
    x = _leaky(layers.Conv2D(16, 3, padding="same")(image_28))
    x = _leaky(layers.Conv2D(32, 4, strides=2, padding="same")(x))
    x = layers.Concatenate()([x, layers.Conv2D(8, 1)(image_14)])
    x = _leaky(layers.Conv2D(64, 4, strides=2, padding="same")(x))
    x = layers.Concatenate()([x, layers.Conv2D(16, 1)(image_7)])
    x = _leaky(layers.Conv2D(64, 3, strides=2, padding="same")(x))
    x = layers.Flatten()(x)
    return keras.Model(
        [image_7, image_14, image_28],
        layers.Dense(1, dtype="float32")(x),
        name="discriminator",
    )


def _conv(x: keras.KerasTensor, filters: int) -> keras.KerasTensor:
    return layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)


def _norm_relu(x: keras.KerasTensor) -> keras.KerasTensor:
    # Replicas share their batch statistics, so that the number of replicas does not
    # change the result; a single replica avoids the overhead.
    if tf.distribute.get_strategy().num_replicas_in_sync > 1:
        norm = layers.BatchNormalization(momentum=_MOMENTUM, synchronized=True)
    elif len(x.shape) == 4:
        norm = FusedBatchNormalization(momentum=_MOMENTUM)
    else:
        norm = layers.BatchNormalization(momentum=_MOMENTUM)
    return layers.ReLU()(norm(x))


def _to_image(x: keras.KerasTensor, kernel_size: int, name: str) -> keras.KerasTensor:
    return layers.Conv2D(
        1, kernel_size, padding="same", activation="tanh", name=name, dtype="float32"
    )(x)


def _leaky(x: keras.KerasTensor) -> keras.KerasTensor:
    return layers.LeakyReLU(negative_slope=_NEGATIVE_SLOPE)(x)
