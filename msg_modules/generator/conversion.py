"""Conversion of a pushed generator to ONNX and LiteRT (formerly TensorFlow Lite)."""

from __future__ import annotations

import pathlib

import tensorflow as tf

from msg_modules.common import extras
from msg_modules.generator import sampling


def to_onnx(version: pathlib.Path) -> bytes:
    """Converts the signature `serving_default` to ONNX.

    Args:
      version: A version directory.

    Returns:
      The ONNX model: `latents` float32 `[N, latent_dim]`, and `labels` int64 `[N]` if
      the generator is conditional -> the images of all sizes, `image_<size>`. There is
      no `sample`, which depends on TensorFlow's random numbers.

    Raises:
      ConfigError: If there is no generator, or the extra `onnx` is not installed.
    """
    with extras.needed("onnx"):
        import tf2onnx
    draw = _function(sampling.load_generator(version), batch_size=None)
    model, _ = tf2onnx.convert.from_function(draw, draw.input_signature)
    return model.SerializeToString()


def to_litert(version: pathlib.Path, batch_size: int = 1) -> bytes:
    """Converts the signature `serving_default` to LiteRT.

    Args:
      version: A version directory.
      batch_size: Fixed batch size, since LiteRT's built-in ops need static shapes.

    Returns:
      The LiteRT model, with the signature `serving_default`: `latents` float32
      `[batch_size, latent_dim]`, and `labels` int64 `[batch_size]` if the generator is
      conditional -> the images of all sizes, `image_<size>`.

    Raises:
      ConfigError: If there is no generator.
    """
    generator = sampling.load_generator(version)
    draw = _function(generator, batch_size).get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([draw], generator.model)
    return converter.convert()


def _function(
    generator: sampling.Generator, batch_size: int | None
) -> tf.types.experimental.PolymorphicFunction:
    signature = generator.model.signatures["serving_default"]
    latents = tf.TensorSpec([batch_size, generator.latent_dim], tf.float32, "latents")
    labels = tf.TensorSpec([batch_size], tf.int64, "labels")
    num_classes = len(generator.classes)

    def choose(images: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return {key: images[key] for key in generator.images.shapes}

    @tf.function(input_signature=[latents])
    def draw(latents: tf.Tensor) -> dict[str, tf.Tensor]:
        return choose(signature(latents=latents))

    @tf.function(input_signature=[latents, labels])
    def draw_classes(latents: tf.Tensor, labels: tf.Tensor) -> dict[str, tf.Tensor]:
        # In ONNX, an index of -1 is the last one; this is refused, as in TensorFlow.
        refused = tf.where(labels < 0, tf.constant(num_classes, tf.int64), labels)
        return choose(signature(latents=latents, labels=refused))

    return draw_classes if num_classes else draw
