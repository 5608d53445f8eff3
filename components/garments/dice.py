"""Random choices that come out alike on every machine and NumPy release."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
from PIL import Image

T = TypeVar("T")


class Dice:
    """Draws choices from the uniform doubles of a generator.

    NumPy may change how `uniform`, `choice` or `normal` use the bit stream, and
    a compiler may fuse their arithmetic. Doubles in [0, 1) come straight from
    the bits, and what follows is plain arithmetic, one rounding at a time.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def between(self, low: float, high: float) -> float:
        """Returns a float in [low, high)."""
        return low + (high - low) * self._rng.random()

    def whole(self, low: int, high: int) -> int:
        """Returns an integer in [low, high], both ends included."""
        return low + int((high - low + 1) * self._rng.random())

    def chance(self, probability: float) -> bool:
        """Returns True with the given probability."""
        return self._rng.random() < probability

    def pick(self, options: Sequence[T]) -> T:
        """Returns one of the options, each as likely as the others."""
        return options[self.whole(0, len(options) - 1)]

    def weigh(self, weights: Mapping[T, int]) -> T:
        """Returns a key of the mapping, as likely as its weight."""
        place = self.whole(1, sum(weights.values()))
        for option, weight in weights.items():
            place -= weight
            if place <= 0:
                return option
        raise AssertionError("a place lies within the sum of the weights")

    def along(self, quantiles: Sequence[float]) -> float:
        """Returns a value of the distribution with these evenly spaced quantiles."""
        position = self._rng.random() * (len(quantiles) - 1)
        index = int(position)
        low, high = quantiles[index], quantiles[index + 1]
        return low + (high - low) * (position - index)

    def noise(self, width: int, height: int, size: tuple[int, int]) -> Image.Image:
        """Returns smooth noise: random cells, width by height, enlarged to `size`."""
        values = (256 * self._rng.random(width * height)).astype(np.uint8)
        cells = Image.frombytes("L", (width, height), values.tobytes())
        return cells.resize(size, Image.Resampling.BICUBIC)

    def grain(self, height: int, width: int) -> np.ndarray:
        """Returns independent values in [0, 1), shaped `[height, width]`."""
        return self._rng.random((height, width))
