"""Using a pushed generator: TensorFlow and NumPy, nothing of the pipeline."""

from __future__ import annotations

import pathlib

import numpy as np
import tensorflow as tf

from msg_modules.errors import ConfigError
from msg_modules.preprocessing import PYRAMID_KEYS


class Generator:
    """A generator loaded from a SavedModel.

    Attributes:
      latent_dim: Length of a latent vector.
      path: The version directory it was loaded from.
    """

    def __init__(
        self,
        path: pathlib.Path,
        signatures: dict[str, tf.types.experimental.PolymorphicFunction],
    ):
        """Takes the signatures; use `load_generator`."""
        self.path = path
        self._generate = signatures["serving_default"]
        self._sample = signatures["sample"]
        inputs = self._generate.structured_input_signature[1]
        self.latent_dim = int(inputs["latents"].shape[1])

    def generate(self, latents: np.ndarray) -> tuple[np.ndarray, ...]:
        """Draws the images of given latents.

        Args:
          latents: float32 `[num_images, latent_dim]`, standard normal.

        Returns:
          `[num_images, size, size, 1]` in [-1, 1] for each scale, smallest first.
        """
        latents = np.asarray(latents, np.float32)
        return _arrays(self._generate(latents=tf.constant(latents)))

    def sample(self, num_images: int, seed: int = 0) -> tuple[np.ndarray, ...]:
        """Draws images of latents that depend on the seed alone.

        Args:
          num_images: How many.
          seed: The same seed gives the same images.

        Returns:
          `[num_images, size, size, 1]` in [-1, 1] for each scale, smallest first.
        """
        return _arrays(
            self._sample(
                num_images=tf.constant(num_images), seed=tf.constant(seed, tf.int64)
            )
        )

    def interpolate(
        self, start: np.ndarray, end: np.ndarray, steps: int, spherical: bool = True
    ) -> tuple[np.ndarray, ...]:
        """Draws the images between two latents; see `interpolate_latents`.

        Returns:
          `[steps, size, size, 1]` in [-1, 1] for each scale, smallest first.
        """
        return self.generate(interpolate_latents(start, end, steps, spherical))


def interpolate_latents(
    start: np.ndarray, end: np.ndarray, steps: int, spherical: bool = True
) -> np.ndarray:
    """Latents on the way from one to another, both ends included.

    A straight way between two draws of a normal distribution leads through
    latents that are shorter than those the generator was trained on; on the
    sphere they keep their length (Shoemake, "Animating rotation with quaternion
    curves", SIGGRAPH 1985, section 3.3).

    Args:
      start: `[latent_dim]`.
      end: `[latent_dim]`.
      steps: How many, at least 2.
      spherical: Whether to go on the sphere or straight.

    Returns:
      float32 `[steps, latent_dim]`.
    """
    shares = np.linspace(0, 1, steps)[:, None]
    lengths = np.linalg.norm(start) * np.linalg.norm(end)
    angle = np.arccos(np.clip(np.dot(start, end) / max(lengths, 1e-12), -1, 1))
    if spherical and np.sin(angle) > 1e-6:
        weights = np.sin((1 - shares) * angle), np.sin(shares * angle)
        latents = (weights[0] * start + weights[1] * end) / np.sin(angle)
    else:
        latents = (1 - shares) * start + shares * end
    return latents.astype(np.float32)


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
      ConfigError: If there is no generator.
    """
    version = _find_version(pathlib.Path(path))
    try:
        signatures = tf.saved_model.load(str(version)).signatures
    except (OSError, RuntimeError, ValueError, tf.errors.OpError) as e:
        reason = str(e).splitlines()[0]
        raise ConfigError(
            f"The SavedModel in {str(version)!r} is damaged ({reason}); push it again."
        ) from e
    missing = {"serving_default", "sample"} - set(signatures)
    if missing:
        raise ConfigError(
            f"{version} has not got the signature(s) {', '.join(sorted(missing))}; name"
            " a generator that this pipeline pushed."
        )
    return Generator(version, signatures)


def _find_version(path: pathlib.Path) -> pathlib.Path:
    if (path / "saved_model.pb").is_file():
        return path
    # A version is complete when saved_model.pb is there: it is copied last.
    versions = [
        file.parent
        for file in path.glob("*/saved_model.pb")
        if file.parent.name.isdecimal()
    ]
    if not versions:
        raise ConfigError(
            f"There is no SavedModel in {str(path)!r}; name a serving directory, or one"
            " version of it."
        )
    return max(versions, key=lambda version: int(version.name))
