"""Selection of the scales of a pyramid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np

Scale = Literal["all", "7", "14", "28"]
_SCALES: tuple[Scale, ...] = ("7", "14", "28")


def choose(pyramid: Sequence[np.ndarray], scale: Scale) -> tuple[np.ndarray, ...]:
    """Returns the selected scales of a pyramid, smallest first."""
    return tuple(pyramid) if scale == "all" else (pyramid[_SCALES.index(scale)],)
