"""Using a pushed generator: TensorFlow, NumPy and Pillow, nothing of the pipeline."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import PIL.Image
import tensorflow as tf

from msg_modules.common.errors import ConfigError
from msg_modules.data.preprocessing import PYRAMID_KEYS, PYRAMID_SIZES
from msg_modules.generator import saved_models
from msg_modules.generator.latents import (
    check_request,
    draw_latents,
    interpolate_latents,
)
from msg_modules.pictures import sheets

_BATCH = 256
# Latents of a stream come in blocks of as many images: they alone grow with it.
_BLOCK = 65_536


class Generator:
    """A generator loaded from a SavedModel.

    Attributes:
      latent_dim: Length of a latent vector.
      path: The version directory it was loaded from.
      model: What TensorFlow has loaded.
    """

    def __init__(self, path: pathlib.Path, model: tf.Module):
        """Takes what TensorFlow has loaded; use `load_generator`."""
        self.path = path
        # Kept, because functions hold their variables weakly.
        self.model = model
        self._generate = model.signatures["serving_default"]
        self._sample = model.signatures["sample"]
        inputs = self._generate.structured_input_signature[1]
        self.latent_dim = int(inputs["latents"].shape[1])

    def check_latents(self, latents: npt.ArrayLike) -> np.ndarray:
        """Latents as this generator takes them.

        Returns:
          float32 `[num_images, latent_dim]`.

        Raises:
          ConfigError: If they have another shape, or are not finite.
        """
        try:
            with np.errstate(over="ignore"):
                latents = np.asarray(latents, np.float32)
        except (TypeError, ValueError) as e:
            raise ConfigError(
                f"latents are no array of numbers; this generator takes"
                f" [N, {self.latent_dim}]."
            ) from e
        if latents.ndim != 2 or latents.shape[1] != self.latent_dim:
            raise ConfigError(
                f"latents have the shape {list(latents.shape)}; this generator takes"
                f" [N, {self.latent_dim}]."
            )
        if not np.all(np.isfinite(latents)):
            raise ConfigError("latents contain NaN or infinite values; replace them.")
        return latents

    def generate(self, latents: np.ndarray) -> tuple[np.ndarray, ...]:
        """Draws the images of given latents.

        Args:
          latents: float32 `[num_images, latent_dim]`, standard normal.

        Returns:
          `[num_images, size, size, 1]` in [-1, 1] for each scale, smallest first.

        Raises:
          ConfigError: If the latents have another shape, or are not finite.
        """
        latents = self.check_latents(latents)
        # Many at once would need memory for all their feature maps.
        batches = [
            _arrays(
                self._generate(latents=tf.constant(latents[start : start + _BATCH]))
            )
            for start in range(0, max(1, len(latents)), _BATCH)
        ]
        return tuple(np.concatenate(scale) for scale in zip(*batches, strict=True))

    def sample(
        self, num_images: int, seed: int = 0, truncation: float = 1.0
    ) -> tuple[np.ndarray, ...]:
        """Draws images of latents that depend on the seed alone, all at once.

        Args:
          num_images: How many; `stream` draws many in little memory.
          seed: The same seed gives the same images; 64 bits.
          truncation: See `latents.draw_latents`.

        Returns:
          `[num_images, size, size, 1]` in [-1, 1] for each scale, smallest first.

        Raises:
          ConfigError: If an argument is out of its range.
        """
        if truncation != 1:
            return self.generate(
                draw_latents(num_images, self.latent_dim, seed, truncation)
            )
        check_request(num_images, seed, truncation)
        return _arrays(
            self._sample(
                num_images=tf.constant(num_images, tf.int32),
                seed=tf.constant(seed, tf.int64),
            )
        )

    def stream(
        self, num_images: int, seed: int = 0, truncation: float = 1.0
    ) -> Iterator[tuple[np.ndarray, ...]]:
        """Draws any number of images in memory that does not grow with it.

        The first 65,536 are those of `sample`.

        Args:
          num_images: How many in all.
          seed: The same seed gives the same images; 64 bits.
          truncation: See `latents.draw_latents`.

        Yields:
          A batch of them: `[batch, size, size, 1]` in [-1, 1] for each scale,
          smallest first.

        Raises:
          ConfigError: If an argument is out of its range.
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
        """Draws the images on the way from one latent vector to another.

        Args:
          start: float32 `[latent_dim]`, the first image's.
          end: float32 `[latent_dim]`, the last image's.
          steps: How many images, both included; at least 2.
          spherical: See `latents.interpolate_latents`.

        Returns:
          `[steps, size, size, 1]` in [-1, 1] for each scale, smallest first.

        Raises:
          ConfigError: If an argument is wrong.
        """
        return self.generate(interpolate_latents(start, end, steps, spherical))


def to_pictures(images: np.ndarray) -> list[PIL.Image.Image]:
    """Images as Pillow's, one pixel for each value.

    Args:
      images: `[num_images, size, size, 1]` in [-1, 1], one scale of a pyramid.
    """
    return [PIL.Image.fromarray(image) for image in sheets.to_uint8(images)[..., 0]]


def _arrays(outputs: dict[str, tf.Tensor]) -> tuple[np.ndarray, ...]:
    return tuple(outputs[name].numpy() for name in PYRAMID_KEYS)


def load_generator(path: str | pathlib.Path) -> Generator:
    """Loads a pushed generator.

    Args:
      path: A version directory, or a serving directory, of which the newest
        complete version is taken.

    Returns:
      The generator.

    Raises:
      ConfigError: If there is no SavedModel, or it has other signatures.
    """
    version = find_version(path)
    try:
        model = tf.saved_model.load(str(version))
    except (OSError, RuntimeError, ValueError, tf.errors.OpError) as e:
        reason = str(e).splitlines()[0]
        raise ConfigError(
            f"The SavedModel in {str(version)!r} is damaged ({reason}); push it again."
        ) from e
    missing = {"serving_default", "sample"} - set(model.signatures)
    if missing:
        raise ConfigError(
            f"{version} lacks the signature(s) {', '.join(sorted(missing))}; name"
            " a generator that this pipeline pushed."
        )
    for name in ("serving_default", "sample"):
        _check_signature(version, name, model.signatures[name])
    return Generator(version, model)


_INPUTS = {
    "serving_default": {"latents": tf.TensorSpec([None, None], tf.float32)},
    "sample": {
        "num_images": tf.TensorSpec([], tf.int32),
        "seed": tf.TensorSpec([], tf.int64),
    },
}
_OUTPUTS = {
    key: tf.TensorSpec([None, size, size, 1], tf.float32)
    for key, size in zip(PYRAMID_KEYS, PYRAMID_SIZES, strict=True)
}


def _check_signature(
    version: pathlib.Path,
    name: str,
    signature: tf.types.experimental.PolymorphicFunction,
) -> None:
    found = signature.structured_input_signature[1], signature.structured_outputs
    for has, wanted, verb in zip(
        found, (_INPUTS[name], _OUTPUTS), ("take", "return"), strict=True
    ):
        for key, spec in wanted.items():
            if key not in has or not spec.is_compatible_with(has[key]):
                other = _describe(has[key]) if key in has else "none"
                raise ConfigError(
                    f"The signature {name} of {str(version)!r} must {verb} {key!r},"
                    f" {_describe(spec)}, and has {other}; name a generator that this"
                    " pipeline pushed."
                )
    if name == "serving_default" and found[0]["latents"].shape[1] is None:
        raise ConfigError(
            f"The signature serving_default of {str(version)!r} leaves the length of"
            " its 'latents' open; export it as [N, latent_dim]."
        )


def _describe(spec: tf.TensorSpec) -> str:
    return f"{spec.dtype.name} {spec.shape}"


def find_version(path: str | pathlib.Path) -> pathlib.Path:
    """The version directory that is meant.

    Args:
      path: A version directory, or a serving directory, of which the newest
        complete version is taken.

    Raises:
      ConfigError: If there is none.
    """
    path = pathlib.Path(path)
    if (path / "saved_model.pb").is_file():
        return path
    versions = saved_models.complete_versions(path)
    if not versions:
        raise ConfigError(
            f"There is no SavedModel in {str(path)!r}; name a serving directory, or one"
            " version of it."
        )
    return versions[-1]
