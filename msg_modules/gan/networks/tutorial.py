"""The networks of the article, layer by layer."""

from __future__ import annotations

import keras
from keras import layers

from msg_modules.data.image_spec import ImageSpec

IMAGES = ImageSpec(size=28, channels=1, scales=3)
_DROPOUT_RATE = 0.3


def build(
    latent_dim: int, images: ImageSpec, num_classes: int
) -> tuple[keras.Model, keras.Model]:
    """Builds the article's generator and discriminator; see `networks.build`."""
    assert images == IMAGES and not num_classes
    return build_generator(latent_dim), build_discriminator()


def build_generator(latent_dim: int) -> keras.Model:
    """Builds the generator; 4,197,763 parameters with `latent_dim` 100."""
    latents = keras.Input([latent_dim], name="latents")
    x = layers.Dense(7 * 7 * 256)(latents)
    x = layers.BatchNormalization()(x)
    x = layers.LeakyReLU()(x)
    x = layers.Reshape([7, 7, 256])(x)
    pyramid = []
    for name, strides in zip(IMAGES.shapes, (1, 2, 2), strict=True):
        x = layers.Conv2DTranspose(128, 5, strides=strides, padding="same")(x)
        x = layers.BatchNormalization()(x)
        x = layers.LeakyReLU()(x)
        x = layers.Conv2D(128, 5, padding="same")(x)
        x = layers.BatchNormalization()(x)
        x = layers.LeakyReLU()(x)
        pyramid.append(
            layers.Conv2DTranspose(
                1, 5, padding="same", activation="tanh", dtype="float32", name=name
            )(x)
        )
    return keras.Model(latents, pyramid, name="generator")


def build_discriminator() -> keras.Model:
    """Builds the discriminator, with an input block per scale; 988,865 parameters."""
    pyramid = [keras.Input(shape, name=name) for name, shape in IMAGES.shapes.items()]
    x = None
    for image in reversed(pyramid):
        entrance = _conv_block(image, 64, kernel_size=5, strides=2)
        x = entrance if x is None else layers.Concatenate()([x, entrance])
        x = _conv_block(x, 128, kernel_size=3)
        x = _conv_block(x, 64, kernel_size=5, strides=2)
    x = layers.Flatten()(x)
    return keras.Model(
        pyramid, layers.Dense(1, dtype="float32")(x), name="discriminator"
    )


def _conv_block(
    x: keras.KerasTensor, filters: int, kernel_size: int, strides: int = 1
) -> keras.KerasTensor:
    x = layers.Conv2D(filters, kernel_size, strides=strides, padding="same")(x)
    x = layers.LeakyReLU()(x)
    return layers.Dropout(_DROPOUT_RATE)(x)
