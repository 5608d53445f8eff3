"""Sampling from an untrusted generator, with checks of its signatures and outputs."""

from __future__ import annotations

import pathlib

import numpy as np
import tensorflow as tf

from msg_modules.common.errors import ConfigError, RunError
from msg_modules.data.image_spec import ImageSpec
from msg_modules.generator.sampling import Generator, load_generator
from msg_modules.generator.saved_models import CorruptModel
from msg_modules.metrics.classifier import ClassifierInfo
from msg_modules.metrics.images import quantise

_CHUNK = 250
# Allows for rounding errors of tanh.
_TOLERANCE = 1e-5


class UnfitGenerator(RunError):
    """The generator violates its interface, so it cannot be evaluated."""


def load_candidate(path: str | pathlib.Path) -> Generator:
    """Loads a SavedModel through its signatures.

    Args:
      path: A version directory, or a serving directory.

    Raises:
      CorruptModel: If it cannot be read.
      UnfitGenerator: If a signature is missing or wrong.
    """
    try:
        return load_generator(path)
    except CorruptModel:
        raise
    except ConfigError as e:
        raise UnfitGenerator(str(e)) from e


def check_images(generator: Generator, wanted: ImageSpec) -> None:
    """Checks that a generator's images can be compared with others.

    Args:
      generator: The result of `load_candidate`.
      wanted: Describes the others.

    Raises:
      UnfitGenerator: If its images have other sizes or channels.
    """
    seen = generator.images
    if seen != wanted:
        raise UnfitGenerator(
            f"The generator in {str(generator.path)!r} generates {seen} images in"
            f" {seen.scales} scales; they must be {wanted} in {wanted.scales} scales,"
            " as the images to compare them with."
        )


def check_classes(generator: Generator, classifier: ClassifierInfo) -> None:
    """Checks that a conditional generator has the classes that the classifier tells.

    Args:
      generator: The result of `load_candidate`.
      classifier: Describes the classifier.

    Raises:
      UnfitGenerator: If it has another number of classes.
    """
    seen, wanted = len(generator.classes), classifier.num_classes
    if seen and classifier.task == "classes" and seen != wanted:
        raise UnfitGenerator(
            f"The generator in {str(generator.path)!r} has {seen} classes; it must have"
            f" {wanted}, as the images to compare its images with."
        )


def draw(
    generator: Generator, num_images: int, seed: int, label: int | None = None
) -> tuple[np.ndarray, ...]:
    """Samples images in chunks, and validates and quantises them.

    Args:
      generator: The result of `load_candidate`.
      num_images: Number of images.
      seed: In [0, 2**31); the same seed gives the same images.
      label: Class of all images. Default: classes in the training images' shares.

    Returns:
      float32 `[num_images, size, size, channels]` in [-1, 1] for each scale, smallest
      first.

    Raises:
      UnfitGenerator: If sampling fails, images have wrong shapes, are not finite or
        not in [-1, 1], or all images are the same.
    """
    chunks = []
    for start in range(0, num_images, _CHUNK):
        size = min(_CHUNK, num_images - start)
        try:
            pyramid = generator.sample(size, (seed << 32) + start, label=label)
        except (tf.errors.OpError, KeyError, TypeError, ValueError) as e:
            reason = (str(e).strip() or type(e).__name__).splitlines()[0][:200]
            raise UnfitGenerator(
                f"The signature {'sample' if label is None else 'sample_class'} of"
                f" {generator.path} fails ({reason}); it must take num_images and seed"
                " and return the images of all scales."
            ) from e
        _check(pyramid, size, generator.images)
        chunks.append([quantise(scale) for scale in pyramid])
    whole = tuple(np.concatenate(scale) for scale in zip(*chunks, strict=True))
    for key, scale in zip(generator.images.shapes, whole, strict=True):
        if np.all(scale == scale[0]):
            raise UnfitGenerator(
                f"All {num_images:,} images in {key} are the same, so the generator has"
                " collapsed; train again with another seed or lower learning rates."
            )
    return whole


def _check(pyramid: tuple[np.ndarray, ...], num_images: int, images: ImageSpec) -> None:
    for (key, shape), scale in zip(images.shapes.items(), pyramid, strict=True):
        wanted = (num_images, *shape)
        if scale.shape != wanted:
            raise UnfitGenerator(f"{key} has shape {scale.shape}; it must be {wanted}.")
        if not np.all(np.isfinite(scale)):
            raise UnfitGenerator(
                f"{key} contains NaN or infinite values; train again with lower"
                " learning rates."
            )
        if (largest := np.max(np.abs(scale))) > 1 + _TOLERANCE:
            raise UnfitGenerator(
                f"{key} has values up to {largest:.3g}; they must be in [-1, 1]: end"
                " the generator in tanh."
            )
