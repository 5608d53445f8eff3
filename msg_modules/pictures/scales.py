"""Selection of the scales of a pyramid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from msg_modules.common.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np

Scale = int | Literal["all", "largest"]


def choose(pyramid: Sequence[np.ndarray], scale: Scale) -> tuple[np.ndarray, ...]:
    """Returns the selected scales of a pyramid, smallest first.

    Args:
      pyramid: `[num_images, size, size, channels]` for each scale, smallest first.
      scale: A size, `largest`, or `all`.

    Raises:
      ConfigError: If there is no scale of this size.
    """
    if scale == "all":
        return tuple(pyramid)
    by_size = {images.shape[1]: images for images in pyramid}
    size = max(by_size) if scale == "largest" else scale
    if size not in by_size:
        sizes = ", ".join(map(str, by_size))
        raise ConfigError(f"scale is {size}; it must be {sizes}, `largest` or `all`.")
    return (by_size[size],)
