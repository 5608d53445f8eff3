"""Loads and samples a pushed generator; needs TensorFlow, NumPy and Pillow, no TFX."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from typing import Literal

import numpy as np
import numpy.typing as npt
import PIL.Image
import tensorflow as tf

from msg_modules.common.errors import ConfigError
from msg_modules.data.image_spec import ImageSpec, image_key
from msg_modules.generator import saved_models
from msg_modules.generator.latents import (
    check_request,
    draw_latents,
    interpolate_latents,
)
from msg_modules.pictures import sheets

_BATCH = 256
# Latents per block of a stream, which bounds its memory.
_BLOCK = 65_536


class Generator:
    """A generator loaded from a SavedModel.

    Attributes:
      latent_dim: Length of a latent vector.
      images: Describes the images it generates.
      path: Version directory it was loaded from.
      model: The loaded SavedModel.
    """

    def __init__(self, path: pathlib.Path, model: tf.Module, images: ImageSpec):
        """Wraps a loaded SavedModel; use `load_generator` instead."""
        self.path = path
        self.images = images
        # Kept alive, because functions only hold weak references to their variables.
        self.model = model
        self._generate = model.signatures["serving_default"]
        self._sample = model.signatures["sample"]
        inputs = self._generate.structured_input_signature[1]
        self.latent_dim = int(inputs["latents"].shape[1])

    def check_latents(self, latents: npt.ArrayLike) -> np.ndarray:
        """Validates latents and converts them to an array.

        Returns:
          float32 `[num_images, latent_dim]`.

        Raises:
          ConfigError: If they have the wrong shape or are not finite.
        """
        try:
            with np.errstate(over="ignore"):
                latents = np.asarray(latents, np.float32)
        except (TypeError, ValueError) as e:
            raise ConfigError(
                "latents are not an array of numbers; they must have shape"
                f" [N, {self.latent_dim}]."
            ) from e
        if latents.ndim != 2 or latents.shape[1] != self.latent_dim:
            raise ConfigError(
                f"latents have shape {list(latents.shape)}; it must be"
                f" [N, {self.latent_dim}]."
            )
        if not np.all(np.isfinite(latents)):
            raise ConfigError("latents have NaN or infinite values; replace them.")
        return latents

    def generate(self, latents: np.ndarray) -> tuple[np.ndarray, ...]:
        """Generates images from latents.

        Args:
          latents: float32 `[num_images, latent_dim]`, standard normal.

        Returns:
          `[num_images, size, size, channels]` in [-1, 1] for each scale, smallest
          first.

        Raises:
          ConfigError: If the latents have the wrong shape or are not finite.
        """
        latents = self.check_latents(latents)
        # In batches, to bound the memory for feature maps.
        batches = [
            self._arrays(
                self._generate(latents=tf.constant(latents[start : start + _BATCH]))
            )
            for start in range(0, max(1, len(latents)), _BATCH)
        ]
        return tuple(np.concatenate(scale) for scale in zip(*batches, strict=True))

    def sample(
        self, num_images: int, seed: int = 0, truncation: float = 1.0
    ) -> tuple[np.ndarray, ...]:
        """Samples images, all in one batch unless truncated.

        Args:
          num_images: Number of images; for many, `stream` uses less memory.
          seed: 64-bit seed; the same seed gives the same images.
          truncation: See `latents.draw_latents`.

        Returns:
          `[num_images, size, size, channels]` in [-1, 1] for each scale, smallest
          first.

        Raises:
          ConfigError: If an argument is out of range.
        """
        if truncation != 1:
            return self.generate(
                draw_latents(num_images, self.latent_dim, seed, truncation)
            )
        check_request(num_images, seed, truncation)
        return self._arrays(
            self._sample(
                num_images=tf.constant(num_images, tf.int32),
                seed=tf.constant(seed, tf.int64),
            )
        )

    def stream(
        self, num_images: int, seed: int = 0, truncation: float = 1.0
    ) -> Iterator[tuple[np.ndarray, ...]]:
        """Samples any number of images in constant memory.

        The first 65,536 are those of `sample`.

        Args:
          num_images: Total number of images.
          seed: 64-bit seed; the same seed gives the same images.
          truncation: See `latents.draw_latents`.

        Yields:
          Batches: `[batch, size, size, channels]` in [-1, 1] for each scale, smallest
          first.

        Raises:
          ConfigError: If an argument is out of range.
        """
        check_request(num_images, seed, truncation)
        for block, first in enumerate(range(0, num_images, _BLOCK)):
            size = min(_BLOCK, num_images - first)
            latents = draw_latents(size, self.latent_dim, seed, truncation, block)
            for start in range(0, size, _BATCH):
                yield self.generate(latents[start : start + _BATCH])

    def interpolate(
        self, start: np.ndarray, end: np.ndarray, steps: int, spherical: bool = True
    ) -> tuple[np.ndarray, ...]:
        """Generates images that interpolate between two latent vectors.

        Args:
          start: float32 `[latent_dim]`.
          end: float32 `[latent_dim]`.
          steps: Number of images, both ends included; at least 2.
          spherical: See `latents.interpolate_latents`.

        Returns:
          `[steps, size, size, channels]` in [-1, 1] for each scale, smallest first.

        Raises:
          ConfigError: If an argument is invalid.
        """
        return self.generate(interpolate_latents(start, end, steps, spherical))

    def _arrays(self, outputs: dict[str, tf.Tensor]) -> tuple[np.ndarray, ...]:
        return tuple(outputs[key].numpy() for key in self.images.shapes)


def to_pictures(images: np.ndarray) -> list[PIL.Image.Image]:
    """Converts images to Pillow images of the same size.

    Args:
      images: `[num_images, size, size, channels]` in [-1, 1], one scale of a pyramid.
    """
    return [sheets.to_picture(image) for image in sheets.to_uint8(images)]


def load_generator(path: str | pathlib.Path) -> Generator:
    """Loads a pushed generator.

    Args:
      path: A version directory, or a serving directory, whose newest complete version
        is loaded.

    Returns:
      The generator.

    Raises:
      ConfigError: If there is no SavedModel, it is corrupt, or its signatures are not
        those of a generator.
    """
    version = find_version(path)
    try:
        model = tf.saved_model.load(str(version))
    except (OSError, RuntimeError, ValueError, tf.errors.OpError) as e:
        reason = str(e).splitlines()[0]
        raise ConfigError(
            f"The SavedModel in {str(version)!r} is corrupt ({reason}); push it again."
        ) from e
    missing = {"serving_default", "sample"} - set(model.signatures)
    if missing:
        raise ConfigError(
            f"The SavedModel in {str(version)!r} lacks the signature(s)"
            f" {', '.join(sorted(missing))}; use a generator pushed by this pipeline."
        )
    signatures = {name: model.signatures[name] for name in _INPUTS}
    for name, signature in signatures.items():
        inputs = signature.structured_input_signature[1]
        _check_signature(version, name, "take", inputs, _INPUTS[name])
    images = _read_spec(version, signatures["serving_default"])
    wanted = {
        key: tf.TensorSpec([None, *shape], tf.float32)
        for key, shape in images.shapes.items()
    }
    for name, signature in signatures.items():
        outputs = signature.structured_outputs
        _check_signature(version, name, "return", outputs, wanted)
    return Generator(version, model, images)


_INPUTS = {
    "serving_default": {"latents": tf.TensorSpec([None, None], tf.float32)},
    "sample": {
        "num_images": tf.TensorSpec([], tf.int32),
        "seed": tf.TensorSpec([], tf.int64),
    },
}


def _read_spec(
    version: pathlib.Path, signature: tf.types.experimental.PolymorphicFunction
) -> ImageSpec:
    """Describes a generator's images by its outputs, which are checked later."""
    outputs = signature.structured_outputs
    try:
        spec = ImageSpec.of_keys(outputs, channels=1)
        channels = outputs[image_key(spec.size)].shape[-1]
        return ImageSpec(spec.size, channels, spec.scales)
    except (ConfigError, IndexError) as e:
        raise ConfigError(
            f"The signature serving_default of {str(version)!r} does not return a"
            f" pyramid of images ({e}); use a generator pushed by this pipeline."
        ) from e


def _check_signature(
    version: pathlib.Path,
    name: str,
    verb: Literal["take", "return"],
    has: dict[str, tf.TensorSpec],
    wanted: dict[str, tf.TensorSpec],
) -> None:
    for key, spec in wanted.items():
        if key not in has or not spec.is_compatible_with(has[key]):
            other = _describe(has[key]) if key in has else "none"
            raise ConfigError(
                f"The signature {name} of {str(version)!r} must {verb} {key!r} as"
                f" {_describe(spec)} but has {other}; use a generator pushed by"
                " this pipeline."
            )
    if verb == "take" and "latents" in wanted and has["latents"].shape[1] is None:
        raise ConfigError(
            f"The signature {name} of {str(version)!r} has 'latents' of unknown length;"
            " export it as [N, latent_dim]."
        )


def _describe(spec: tf.TensorSpec) -> str:
    return f"{spec.dtype.name} {spec.shape}"


def find_version(path: str | pathlib.Path) -> pathlib.Path:
    """Resolves a path to a version directory.

    Args:
      path: A version directory, or a serving directory, whose newest complete version
        is returned.

    Raises:
      ConfigError: If there is none.
    """
    path = pathlib.Path(path)
    if (path / "saved_model.pb").is_file():
        return path
    versions = saved_models.complete_versions(path)
    if not versions:
        raise ConfigError(
            f"There is no SavedModel in {str(path)!r}; use a serving directory or one"
            " of its versions."
        )
    return versions[-1]
