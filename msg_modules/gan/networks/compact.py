"""A small MSG-GAN, fast on a few CPU cores, for images of any size.

Networks work at a sequence of sizes: the largest scale and its halves, down to the
smallest scale or, if that is larger than 8, further. The number of feature maps is 16
at the largest size for grayscale and 32 for colour; it doubles with each halving, up to
eight times as many.
"""

from __future__ import annotations

from typing import NamedTuple

import keras
import tensorflow as tf
from keras import layers

from msg_modules.data.image_spec import ImageSpec, image_key
from msg_modules.gan.networks.normalization import FusedBatchNormalization

CONDITIONAL = True
GLOBAL_BATCH = True
_WIDTHS = {1: 16, 3: 32}
_WIDEST = 8
_LARGEST_START = 8
_MOMENTUM = 0.9
_NEGATIVE_SLOPE = 0.2


class _Level(NamedTuple):
    """A size that the networks work at, and its number of feature maps."""

    size: int
    width: int


def build(
    latent_dim: int, images: ImageSpec, num_classes: int
) -> tuple[keras.Model, keras.Model]:
    """Builds the generator and the discriminator; see `networks.build`."""
    return (
        build_generator(latent_dim + num_classes, images),
        build_discriminator(images, num_classes),
    )


def _levels(images: ImageSpec) -> list[_Level]:
    """Returns the levels, largest first."""
    sizes = list(reversed(images.sizes))
    while sizes[-1] > _LARGEST_START and sizes[-1] % 2 == 0:
        sizes.append(sizes[-1] // 2)
    width = _WIDTHS[images.channels]
    return [
        _Level(size, width * min(2**halvings, _WIDEST))
        for halvings, size in enumerate(sizes)
    ]


def build_generator(code_dim: int, images: ImageSpec) -> keras.Model:
    """Builds the generator: 3x3 convolutions after nearest-neighbour upsampling.

    Nearest-neighbour upsampling avoids checkerboard artefacts, and costs less than a
    transposed convolution with a larger kernel.
    """
    codes = keras.Input([code_dim], name="codes")
    first, *others = reversed(_levels(images))
    x = layers.Dense(first.size**2 * first.width, use_bias=False)(codes)
    x = layers.Reshape([first.size, first.size, first.width])(_norm_relu(x))
    pyramid = []
    for level in (first, *others):
        if level is not first:
            x = layers.UpSampling2D()(x)
        x = _norm_relu(_conv(x, level.width))
        if level.size in images.sizes:
            pyramid.append(_to_image(x, level.size, images))
    return keras.Model(codes, pyramid, name="generator")


def build_discriminator(images: ImageSpec, num_classes: int) -> keras.Model:
    """Builds the discriminator: strided convolutions with an input at each scale.

    The smaller images are concatenated after a 1x1 convolution, like `lin_cat` in the
    MSG-GAN paper (arXiv 1903.06048, section 3). Classes enter by projection: Miyato &
    Koyama (arXiv 1802.05637), eq. 3.
    """
    pyramid = {
        size: keras.Input(shape, name=name)
        for size, (name, shape) in zip(images.sizes, images.shapes.items(), strict=True)
    }
    largest, *others = _levels(images)
    x = _leaky(layers.Conv2D(largest.width, 3, padding="same")(pyramid[images.size]))
    for level in others:
        x = _leaky(layers.Conv2D(level.width, 4, strides=2, padding="same")(x))
        if level.size in pyramid:
            entrance = layers.Conv2D(level.width // 4, 1)(pyramid[level.size])
            x = layers.Concatenate()([x, entrance])
    last = (largest, *others)[-1]
    x = _leaky(layers.Conv2D(last.width, 3, strides=2, padding="same")(x))
    x = layers.Flatten()(x)
    logits = layers.Dense(1, dtype="float32")(x)
    if not num_classes:
        return keras.Model(list(pyramid.values()), logits, name="discriminator")
    classes = keras.Input([num_classes], name="classes")
    embedded = layers.Dense(x.shape[-1], use_bias=False, dtype="float32")(classes)
    logits += layers.Dot(axes=1, dtype="float32")([x, embedded])
    return keras.Model([*pyramid.values(), classes], logits, name="discriminator")


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


def _to_image(x: keras.KerasTensor, size: int, images: ImageSpec) -> keras.KerasTensor:
    """Makes the image of a size; only the largest needs to look at neighbours."""
    return layers.Conv2D(
        images.channels,
        3 if size == images.size else 1,
        padding="same",
        activation="tanh",
        name=image_key(size),
        dtype="float32",
    )(x)


def _leaky(x: keras.KerasTensor) -> keras.KerasTensor:
    return layers.LeakyReLU(negative_slope=_NEGATIVE_SLOPE)(x)
