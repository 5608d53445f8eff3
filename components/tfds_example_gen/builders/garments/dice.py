"""Random choices that are reproducible across machines and NumPy releases."""

from collections.abc import Mapping
from itertools import chain
from typing import TypeVar

import numpy as np
from PIL import Image

T = TypeVar("T")

Leeway = float | tuple[tuple[float, float], ...]
"""A fixed number, or ranges (low, high), one of which a number is drawn from."""


def leeway(text: object) -> Leeway:
    """Parses `3`, `2..4`, or equally likely alternatives such as `-60/20..40`."""
    parts = [part.partition("..") for part in str(text).split("/")]
    ranges = tuple((float(low), float(high or low)) for low, _, high in parts)
    return ranges[0][0] if len(set(ranges[0])) == len(ranges) == 1 else ranges


class Dice:
    """Makes random choices from a generator's uniform doubles.

    NumPy may change how `uniform`, `choice` or `normal` consume the bit stream, and
    compilers may fuse their arithmetic. Doubles in [0, 1) come straight from the bits,
    and everything else here is plain arithmetic, rounded after each operation.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        # In blocks, since the cost of a call dominates.
        blocks = iter(lambda: rng.random(64).tolist(), None)
        self._random = chain.from_iterable(blocks).__next__

    def between(self, low: float, high: float) -> float:
        """Returns a float in [low, high)."""
        return low + (high - low) * self._random()

    def whole(self, low: int, high: int) -> int:
        """Returns an integer from low to high, both included."""
        return low + int((high - low + 1) * self._random())

    def chance(self, probability: float) -> bool:
        """Returns True with the given probability."""
        return self._random() < probability

    def roll(self, number: Leeway) -> float:
        """Returns a number within its leeway."""
        if isinstance(number, float):
            return number
        return self.between(*number[int(len(number) * self._random())])

    def weigh(self, weights: Mapping[T, float]) -> T:
        """Returns a key of the mapping, with probability proportional to its weight."""
        place = sum(weights.values()) * self._random()
        for option, weight in weights.items():
            place -= weight
            if place < 0:
                return option
        raise AssertionError("a place lies within the sum of the weights")

    def noise(self, width: int, height: int, side: int) -> Image.Image:
        """Returns smooth noise: random cells, width by height, enlarged to a square."""
        values = (256 * self._rng.random(width * height)).astype(np.uint8)
        cells = Image.frombytes("L", (width, height), values.tobytes())
        return cells.resize((side, side), Image.Resampling.BICUBIC)

    def grain(self, side: int) -> np.ndarray:
        """Returns independent values in [0, 1), shaped `[side, side]`."""
        return self._rng.random((side, side))
