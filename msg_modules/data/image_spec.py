"""The description of the images of a run: size, channels and scales.

It is settled when a run starts. From Transform on, the artifacts carry it: the names
and shapes of the transformed features, and of the outputs of an exported generator.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable

from msg_modules.common.errors import ConfigError

_SMALLEST = 4
_KEY = re.compile(r"image_([1-9]\d*)")
_COLOURS = {1: "grayscale", 3: "RGB"}


def image_key(size: int) -> str:
    """Names the images of a size, in examples and signatures."""
    return f"image_{size}"


@dataclasses.dataclass(frozen=True)
class ImageSpec:
    """Square images and their smaller scales, each half of the next.

    Attributes:
      size: Height and width of the largest scale.
      channels: 1 for grayscale, 3 for RGB.
      scales: Number of scales, at least 2.
    """

    size: int
    channels: int
    scales: int

    def __post_init__(self) -> None:
        if self.channels not in _COLOURS:
            raise ConfigError(
                f"data.channels is {self.channels}; it must be 1 (grayscale) or 3"
                " (RGB)."
            )
        if self.scales < 2:
            raise ConfigError(f"data.scales is {self.scales}; it must be at least 2.")
        if not _is_whole(self.size, self.scales):
            raise ConfigError(
                f"data.image_size is {self.size} with {self.scales} scales, but each"
                " scale must be half of the next and the smallest at least"
                f" {_SMALLEST} pixels; use {_proposals(self.size, self.scales)}."
            )

    def __str__(self) -> str:
        return f"{self.size}x{self.size} {_COLOURS[self.channels]}"

    @property
    def sizes(self) -> tuple[int, ...]:
        """The sizes of all scales, smallest first."""
        return tuple(self.size >> halvings for halvings in reversed(range(self.scales)))

    @property
    def shapes(self) -> dict[str, tuple[int, int, int]]:
        """Key -> `(size, size, channels)` for each scale, smallest first."""
        return {image_key(size): (size, size, self.channels) for size in self.sizes}

    @classmethod
    def of_keys(cls, keys: Iterable[str], channels: int) -> ImageSpec:
        """Recovers a description from names that `image_key` made; ignores others.

        Raises:
          ConfigError: If there are none, or images of this size and number of scales
            do not exist.
        """
        sizes = [int(match[1]) for key in keys if (match := _KEY.fullmatch(key))]
        if not sizes:
            raise ConfigError("no images named image_SIZE")
        return cls(max(sizes), channels, len(sizes))


def nearest_sizes(size: int, scales: int) -> list[int]:
    """Returns the nearest sizes of images that have this number of scales."""
    step = 2 ** (scales - 1)
    nearest = {size // step * step, -(-size // step) * step}
    return sorted({max(fitting, _SMALLEST * step) for fitting in nearest})


def _is_whole(size: int, scales: int) -> bool:
    smallest, rest = divmod(size, 2 ** (scales - 1))
    return smallest >= _SMALLEST and rest == 0


def _proposals(size: int, scales: int) -> str:
    """Lists flags with the nearest sizes, and with fewer scales if that helps."""
    sizes = nearest_sizes(size, scales)
    flags = [f"--data.image-size {fitting}" for fitting in sizes]
    fewer = [count for count in range(2, scales) if _is_whole(size, count)]
    return " or ".join(flags + [f"--data.scales {count}" for count in fewer[-1:]])
