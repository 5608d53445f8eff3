"""Decodes images into pyramids; `preprocessing_fn` is Transform's entry point."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, Literal

import tensorflow as tf

from msg_modules.data.image_spec import ImageSpec

Pyramid = tuple[tf.Tensor, ...]
LABEL = "label"
STEP = 1 / 127.5
"""Distance of neighbouring levels of 8 bits in [-1, 1].

Multiply by it: TensorFlow replaces a division by a product in some graphs only, with
another result in the last bit.
"""
Colour = tuple[int, int, int]


@dataclasses.dataclass(frozen=True)
class Preparation:
    """How encoded images of any kind become those of a run.

    Attributes:
      spec: The images to make.
      fit: What to do with images that are not square: `crop` to the centre square, or
        `pad` to a square.
      background: Colour behind transparent pixels, and of the padding; red, green and
        blue in [0, 255].
    """

    spec: ImageSpec
    fit: Literal["crop", "pad"]
    background: Colour

    def to_custom_config(self) -> dict[str, Any]:
        """Converts to Transform's `custom_config`."""
        return dataclasses.asdict(self)

    @classmethod
    def of_custom_config(cls, config: dict[str, Any]) -> Preparation:
        """Reverts `to_custom_config`."""
        return cls(
            ImageSpec(**config["spec"]), config["fit"], tuple(config["background"])
        )


def preprocessing_fn(
    inputs: dict[str, tf.Tensor], custom_config: dict[str, Any]
) -> dict[str, tf.Tensor]:
    """Decodes, scales and resizes images; called by TFX's Transform component.

    Args:
      inputs: `image`, encoded images, and if they have labels, `label`, int64; each
        `[batch, 1]`, dense or sparse.
      custom_config: The result of `Preparation.to_custom_config`.

    Returns:
      For each size, `image_<size>`: float32 `[batch, size, size, channels]` in
      [-1, 1]; and `label`, if the images have labels: int64 `[batch]`.
    """
    preparation = Preparation.of_custom_config(custom_config)
    images = decode_images(_flat(inputs["image"]), preparation)
    pyramid = to_pyramid(images, preparation.spec.sizes)
    outputs = dict(zip(preparation.spec.shapes, pyramid, strict=True))
    if LABEL in inputs:
        outputs[LABEL] = _flat(inputs[LABEL])
    return outputs


def decode_images(encoded: tf.Tensor, preparation: Preparation) -> tf.Tensor:
    """Decodes a batch of images to the size and channels of a run.

    Args:
      encoded: PNG or JPEG bytes, `[batch]`.
      preparation: The images to make, and how.

    Returns:
      float32 `[batch, size, size, channels]`, whole numbers in [0, 255].

    Raises:
      tf.errors.InvalidArgumentError: If an image cannot be decoded.
    """
    return _decoder(preparation)(encoded)


@functools.cache
def _decoder(preparation: Preparation) -> tf.types.experimental.PolymorphicFunction:
    """Returns the graph of `decode_images`, which Transform embeds in nine others."""
    size, channels = preparation.spec.size, preparation.spec.channels

    def decode_image(encoded: tf.Tensor) -> tf.Tensor:
        image = _decode_image(encoded, preparation)
        return tf.ensure_shape(image, [size, size, channels])

    def decode(encoded: tf.Tensor) -> tf.Tensor:
        image = tf.TensorSpec([size, size, channels], tf.float32)
        return tf.map_fn(decode_image, encoded, fn_output_signature=image)

    return tf.function(decode, [tf.TensorSpec([None], tf.string)], autograph=False)


def _decode_image(encoded: tf.Tensor, preparation: Preparation) -> tf.Tensor:
    image = tf.cast(tf.io.decode_image(encoded, expand_animations=False), tf.float32)
    # Grayscale with 1 or 2 channels, RGB with 3 or 4; the even ones have alpha.
    kinds = [
        functools.partial(_to_channels, image, seen, preparation)
        for seen in (1, 2, 3, 4)
    ]
    image = tf.switch_case(tf.shape(image)[2] - 1, kinds)
    size = preparation.spec.size
    # Most datasets have the size already, and the general resize is slow.
    return tf.cond(
        tf.reduce_all(tf.equal(tf.shape(image)[:2], size)),
        lambda: image,
        # To 8 bits again, as in an image file, so that a byte can hold it.
        lambda: tf.clip_by_value(tf.round(_resize(image, preparation)), 0.0, 255.0),
    )


def _to_channels(image: tf.Tensor, seen: int, preparation: Preparation) -> tf.Tensor:
    """Composites alpha on the background, and converts to grayscale or RGB.

    Args:
      image: `[height, width, seen]` in [0, 255], an image of 8 bits.
      seen: Its number of channels: grayscale, grayscale and alpha, RGB, or RGBA.
      preparation: The channels and background to make.

    Returns:
      `[height, width, channels]`, rounded to 8 bits.
    """
    image = tf.ensure_shape(image, [None, None, seen])
    wanted = preparation.spec.channels
    has_alpha = seen % 2 == 0
    colours, alpha = (image[..., :-1], image[..., -1:]) if has_alpha else (image, None)
    if wanted == 3 and seen < 3:
        colours = tf.image.grayscale_to_rgb(colours)
    elif wanted == 1 and seen >= 3:
        colours = tf.image.rgb_to_grayscale(colours)  # With Rec. 601 weights.
    if alpha is not None:
        opacity = alpha / 255.0
        behind = _background(preparation)
        colours = opacity * colours + (1.0 - opacity) * behind
    return tf.round(colours)


def _background(preparation: Preparation) -> tf.Tensor:
    """Returns the colour of the background, `[channels]` in [0, 255]."""
    colour = tf.constant([[preparation.background]], tf.float32)
    if preparation.spec.channels == 1:
        colour = tf.image.rgb_to_grayscale(colour)
    return colour[0, 0]


def _resize(image: tf.Tensor, preparation: Preparation) -> tf.Tensor:
    size = preparation.spec.size
    shape = tf.shape(image)[:2]
    if preparation.fit == "pad":
        # In whole numbers, unlike `tf.image.resize_with_pad`, which loses a pixel in
        # graphs where TensorFlow replaces a division by a product.
        fitted = tf.maximum(shape * size // tf.reduce_max(shape), 1)
        top, left = tf.unstack((size - fitted) // 2)
        background = _background(preparation)
        # Pads with zeros, hence the shift by the background.
        return background + tf.image.pad_to_bounding_box(
            tf.image.resize(image - background, fitted, antialias=True),
            top,
            left,
            size,
            size,
        )
    height, width = tf.unstack(shape)
    side = tf.minimum(height, width)
    square = tf.image.crop_to_bounding_box(
        image, (height - side) // 2, (width - side) // 2, side, side
    )
    return tf.image.resize(square, [size, size], antialias=True)


def scale(images: tf.Tensor) -> tf.Tensor:
    """Maps [0, 255] to float32 in [-1, 1], the range of the generator's tanh."""
    return tf.cast(images, tf.float32) * STEP - 1.0


def unscale(images: tf.Tensor) -> tf.Tensor:
    """Reverts `scale`, and rounds to uint8."""
    return tf.saturate_cast(tf.round((images + 1.0) * 127.5), tf.uint8)


def to_pyramid(images: tf.Tensor, sizes: Sequence[int]) -> Pyramid:
    """Makes the pyramid of images of 8 bits, the same wherever it is made.

    Args:
      images: Whole numbers in [0, 255], `[batch, size, size, channels]`.
      sizes: The size of each scale.

    Returns:
      float32 in [-1, 1], at these sizes, in this order.
    """
    return make_pyramid(scale(images), sizes)


def make_pyramid(images: tf.Tensor, sizes: Sequence[int]) -> Pyramid:
    """Resizes images to all scales, bilinear without antialiasing.

    Args:
      images: float32 `[batch, size, size, channels]`.
      sizes: The size of each scale.

    Returns:
      The images at these sizes, in this order.
    """
    return tuple(
        images if size == images.shape[1] else tf.image.resize(images, [size, size])
        for size in sizes
    )


def _flat(tensor: tf.Tensor | tf.SparseTensor) -> tf.Tensor:
    if isinstance(tensor, tf.SparseTensor):
        tensor = tf.sparse.to_dense(tensor)
    return tf.reshape(tensor, [-1])
