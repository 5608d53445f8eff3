"""Decodes images into pyramids; `preprocessing_fn` is Transform's entry point."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

IMAGE_SIZE = 28
PYRAMID_SIZES = (7, 14, 28)
PYRAMID_KEYS = tuple(f"image_{size}" for size in PYRAMID_SIZES)

Pyramid = tuple[tf.Tensor, ...]


def preprocessing_fn(
    inputs: dict[str, tf.Tensor], custom_config: dict[str, Any] | None = None
) -> dict[str, tf.Tensor]:
    """Decodes, scales and resizes images; called by TFX's Transform component.

    Args:
      inputs: `image`, encoded images, and `label`, int64; each `[batch, 1]`, dense or
        sparse.
      custom_config: Unused; passed by TFX.

    Returns:
      `image_7`, `image_14`, `image_28`: float32 `[batch, size, size, 1]` in
      [-1, 1], and `label`: int64 `[batch]`.
    """
    del custom_config
    pyramid = make_pyramid(scale(decode_images(_flat(inputs["image"]))))
    return {
        **dict(zip(PYRAMID_KEYS, pyramid, strict=True)),
        "label": _flat(inputs["label"]),
    }


def decode_images(encoded: tf.Tensor) -> tf.Tensor:
    """Decodes a batch of images to 28x28 greyscale.

    Colours are converted with Rec. 601 weights and alpha is dropped. Images of other
    sizes are resized to fit into 28x28, keeping the aspect ratio, and padded with
    black.

    Args:
      encoded: PNG or JPEG bytes, `[batch]`.

    Returns:
      float32 `[batch, 28, 28, 1]` in [0, 255].

    Raises:
      tf.errors.InvalidArgumentError: If an image cannot be decoded.
    """
    return tf.map_fn(
        _decode_image,
        encoded,
        fn_output_signature=tf.TensorSpec([IMAGE_SIZE, IMAGE_SIZE, 1], tf.float32),
    )


def _decode_image(encoded: tf.Tensor) -> tf.Tensor:
    image = tf.cast(
        tf.io.decode_image(encoded, channels=1, expand_animations=False), tf.float32
    )
    image.set_shape([None, None, 1])
    # Most datasets are 28x28 already, and the general resize is slow.
    has_size = tf.reduce_all(tf.equal(tf.shape(image)[:2], IMAGE_SIZE))
    image = tf.cond(
        has_size,
        lambda: image,
        lambda: tf.image.resize_with_pad(image, IMAGE_SIZE, IMAGE_SIZE, antialias=True),
    )
    return tf.ensure_shape(image, [IMAGE_SIZE, IMAGE_SIZE, 1])


def scale(images: tf.Tensor) -> tf.Tensor:
    """Maps [0, 255] to [-1, 1], the range of the generator's tanh."""
    return images / 127.5 - 1.0


def make_pyramid(images: tf.Tensor) -> Pyramid:
    """Resizes images to all scales, bilinear without antialiasing.

    Args:
      images: float32 `[batch, 28, 28, 1]`.

    Returns:
      The images at 7x7, 14x14 and 28x28, smallest first.
    """
    return tuple(
        images if size == IMAGE_SIZE else tf.image.resize(images, [size, size])
        for size in PYRAMID_SIZES
    )


def _flat(tensor: tf.Tensor | tf.SparseTensor) -> tf.Tensor:
    if isinstance(tensor, tf.SparseTensor):
        tensor = tf.sparse.to_dense(tensor)
    return tf.reshape(tensor, [-1])
