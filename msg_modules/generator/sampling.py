"""Loads and samples a pushed generator; needs TensorFlow, NumPy and Pillow, no TFX."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from typing import Literal

import numpy as np
import numpy.typing as npt
import PIL.Image
import tensorflow as tf

from msg_modules.common.errors import ConfigError, root_message
from msg_modules.data.class_spec import ClassSpec
from msg_modules.data.image_spec import ImageSpec, image_key
from msg_modules.generator import codes, saved_models, version_directories
from msg_modules.generator.latents import check_request
from msg_modules.pictures import sheets

_BATCH = 256
# Codes per block of a stream, which bounds its memory.
_BLOCK = 65_536


class Generator:
    """A generator loaded from a SavedModel.

    A code, the input of `generate`, is a latent vector, followed by the class weights
    if the generator is conditional; see `generator.codes`.

    Attributes:
      latent_dim: Length of a latent vector.
      images: Describes the images it generates.
      classes: The classes it is conditioned on; empty if it is unconditional.
      path: Version directory it was loaded from.
      model: The loaded SavedModel.
    """

    def __init__(
        self,
        path: pathlib.Path,
        model: tf.Module,
        images: ImageSpec,
        classes: ClassSpec,
    ):
        """Wraps a loaded SavedModel; use `load_generator` instead."""
        self.path = path
        self.images = images
        self.classes = classes
        # Kept alive, because functions only hold weak references to their variables.
        self.model = model
        inputs = model.signatures["serving_default"].structured_input_signature[1]
        self.latent_dim = int(inputs["latents"].shape[1])

    @property
    def code_dim(self) -> int:
        """Length of a code."""
        return self.latent_dim + len(self.classes)

    def check_latents(self, latents: npt.ArrayLike) -> np.ndarray:
        """Validates latents and converts them to an array.

        Returns:
          float32 `[num_images, latent_dim]`.

        Raises:
          ConfigError: If they have the wrong shape or are not finite.
        """
        return _check_array("latents", latents, self.latent_dim)

    def check_codes(self, codes: npt.ArrayLike) -> np.ndarray:
        """Validates codes and converts them to an array.

        Returns:
          float32 `[num_images, latent_dim + num_classes]`.

        Raises:
          ConfigError: If they have the wrong shape or are not finite.
        """
        name = "latents with class weights" if len(self.classes) else "latents"
        return _check_array(name, codes, self.code_dim)

    def draw_codes(
        self,
        num_images: int,
        seed: int = 0,
        truncation: float = 1.0,
        label: str | int | None = None,
        block: int = 0,
    ) -> np.ndarray:
        """Draws the codes of `sample`.

        Args:
          num_images: Number of codes.
          seed: 64-bit seed; the same seed gives the same codes.
          truncation: See `latents.draw_latents`.
          label: Name or number of a class. Default: classes in the training images'
            shares.
          block: See `latents.draw_latents`.

        Returns:
          float32 `[num_images, latent_dim + num_classes]`.

        Raises:
          ConfigError: If an argument is out of range.
        """
        return codes.draw_codes(
            num_images,
            self.latent_dim,
            self.classes,
            seed,
            truncation,
            block,
            label=None if label is None else self.classes.find(label),
        )

    def generate(self, codes: np.ndarray) -> tuple[np.ndarray, ...]:
        """Generates images from codes.

        Args:
          codes: float32 `[num_images, latent_dim + num_classes]`: standard normal
            latents, and for a conditional generator the class weights.

        Returns:
          `[num_images, size, size, channels]` in [-1, 1] for each scale, smallest
          first.

        Raises:
          ConfigError: If the codes have the wrong shape or are not finite.
        """
        codes = self.check_codes(codes)
        # In batches, to bound the memory for feature maps.
        batches = [
            self._generate(codes[start : start + _BATCH])
            for start in range(0, max(1, len(codes)), _BATCH)
        ]
        return tuple(np.concatenate(scale) for scale in zip(*batches, strict=True))

    def sample(
        self,
        num_images: int,
        seed: int = 0,
        truncation: float = 1.0,
        label: str | int | None = None,
    ) -> tuple[np.ndarray, ...]:
        """Samples images, all in one batch unless truncated.

        Args:
          num_images: Number of images; for many, `stream` uses less memory.
          seed: 64-bit seed; the same seed gives the same images.
          truncation: See `latents.draw_latents`.
          label: Name or number of a class. Default: classes in the training images'
            shares.

        Returns:
          `[num_images, size, size, channels]` in [-1, 1] for each scale, smallest
          first.

        Raises:
          ConfigError: If an argument is out of range.
        """
        if truncation != 1:
            return self.generate(self.draw_codes(num_images, seed, truncation, label))
        check_request(num_images, seed, truncation)
        drawn = {
            "num_images": tf.constant(num_images, tf.int32),
            "seed": tf.constant(seed, tf.int64),
        }
        if label is None:
            return self._arrays(self.model.signatures["sample"](**drawn))
        number = tf.constant(self.classes.find(label), tf.int64)
        return self._arrays(
            self.model.signatures["sample_class"](**drawn, label=number)
        )

    def stream(
        self,
        num_images: int,
        seed: int = 0,
        truncation: float = 1.0,
        label: str | int | None = None,
    ) -> Iterator[tuple[np.ndarray, ...]]:
        """Samples any number of images in constant memory.

        The first 65,536 are those of `sample`.

        Args:
          num_images: Total number of images.
          seed: 64-bit seed; the same seed gives the same images.
          truncation: See `latents.draw_latents`.
          label: See `sample`.

        Yields:
          Batches: `[batch, size, size, channels]` in [-1, 1] for each scale, smallest
          first.

        Raises:
          ConfigError: If an argument is out of range.
        """
        check_request(num_images, seed, truncation)
        for block, first in enumerate(range(0, num_images, _BLOCK)):
            size = min(_BLOCK, num_images - first)
            drawn = self.draw_codes(size, seed, truncation, label, block)
            for start in range(0, size, _BATCH):
                yield self.generate(drawn[start : start + _BATCH])

    def interpolate(
        self, start: np.ndarray, end: np.ndarray, steps: int, spherical: bool = True
    ) -> tuple[np.ndarray, ...]:
        """Generates images that interpolate between two codes.

        Args:
          start: float32 `[latent_dim + num_classes]`.
          end: float32 `[latent_dim + num_classes]`.
          steps: Number of images, both ends included; at least 2.
          spherical: See `latents.interpolate_latents`.

        Returns:
          `[steps, size, size, channels]` in [-1, 1] for each scale, smallest first.

        Raises:
          ConfigError: If an argument is invalid.
        """
        return self.generate(self.interpolate_codes(start, end, steps, spherical))

    def interpolate_codes(
        self, start: np.ndarray, end: np.ndarray, steps: int, spherical: bool = True
    ) -> np.ndarray:
        """Returns the codes of `interpolate`."""
        return codes.interpolate_codes(start, end, steps, self.latent_dim, spherical)

    def _generate(self, drawn: np.ndarray) -> tuple[np.ndarray, ...]:
        latents = tf.constant(drawn[:, : self.latent_dim])
        if not len(self.classes):
            return self._arrays(
                self.model.signatures["serving_default"](latents=latents)
            )
        weights = tf.constant(drawn[:, self.latent_dim :])
        return self._arrays(
            self.model.signatures["blend"](latents=latents, class_weights=weights)
        )

    def _arrays(self, outputs: dict[str, tf.Tensor]) -> tuple[np.ndarray, ...]:
        return tuple(outputs[key].numpy() for key in self.images.shapes)


def _check_array(name: str, values: npt.ArrayLike, width: int) -> np.ndarray:
    try:
        with np.errstate(over="ignore"):
            array = np.asarray(values, np.float32)
    except (TypeError, ValueError) as e:
        raise ConfigError(
            f"{name} are not an array of numbers; they must have shape [N, {width}]."
        ) from e
    if array.ndim != 2 or array.shape[1] != width:
        raise ConfigError(
            f"{name} have shape {list(array.shape)}; it must be [N, {width}]."
        )
    if not np.all(np.isfinite(array)):
        raise ConfigError(f"{name} have NaN or infinite values; replace them.")
    return array


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
      CorruptModel: If the SavedModel cannot be read.
      ConfigError: If there is no SavedModel, or its signatures are not those of a
        generator.
    """
    version = find_version(path)
    try:
        saved_models.check_graph(version)
        model = tf.saved_model.load(str(version))
    except saved_models.CorruptModel:
        raise
    except Exception as e:  # A damaged graph may raise anything.
        raise saved_models.CorruptModel(version, root_message(e)) from e
    conditional = "classes" in model.signatures
    wanted_inputs = {**_INPUTS, **(_CONDITIONAL_INPUTS if conditional else {})}
    missing = set(wanted_inputs) - set(model.signatures)
    if missing:
        raise ConfigError(
            f"The SavedModel in {str(version)!r} lacks the signature(s)"
            f" {', '.join(sorted(missing))}; use a generator pushed by this pipeline."
        )
    signatures = {name: model.signatures[name] for name in wanted_inputs}
    for name, signature in signatures.items():
        inputs = signature.structured_input_signature[1]
        _check_signature(version, name, "take", inputs, wanted_inputs[name])
    images = _read_spec(version, signatures["serving_default"])
    wanted = {
        key: tf.TensorSpec([None, *shape], tf.float32)
        for key, shape in images.shapes.items()
    }
    for name, signature in signatures.items():
        outputs = signature.structured_outputs
        _check_signature(version, name, "return", outputs, wanted)
    classes = _read_classes(model) if conditional else ClassSpec()
    return Generator(version, model, images, classes)


_LATENTS = tf.TensorSpec([None, None], tf.float32)
_SAMPLE = {
    "num_images": tf.TensorSpec([], tf.int32),
    "seed": tf.TensorSpec([], tf.int64),
}
_INPUTS = {"serving_default": {"latents": _LATENTS}, "sample": _SAMPLE}
_CONDITIONAL_INPUTS = {
    "serving_default": {
        "latents": _LATENTS,
        "labels": tf.TensorSpec([None], tf.int64),
    },
    "sample_class": {**_SAMPLE, "label": tf.TensorSpec([], tf.int64)},
    "blend": {
        "latents": _LATENTS,
        "class_weights": tf.TensorSpec([None, None], tf.float32),
    },
}


def _read_classes(model: tf.Module) -> ClassSpec:
    signature = model.signatures["classes"]
    # None in generators that were pushed before it took labels.
    inputs = signature.structured_input_signature[1]
    described = signature(**{name: tf.zeros([0], tf.int64) for name in inputs})
    names = [name.decode() for name in described["names"].numpy()]
    return ClassSpec(tuple(names), tuple(described["shares"].numpy().tolist()))


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
    versions = version_directories.complete_versions(path)
    if not versions:
        raise ConfigError(
            f"There is no SavedModel in {str(path)!r}; use a serving directory or one"
            " of its versions."
        )
    return versions[-1]
