"""Images in a terminal, two pixels per character."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import rich_pixels

from msg_modules.pictures.sheets import to_picture, to_uint8

# Larger images leave too little space for others beside them.
_LARGEST = 16


def preview(
    pyramid: Sequence[np.ndarray], num_images: int, width: int
) -> rich_pixels.Pixels:
    """Renders images for a terminal, in as many columns as fit.

    Args:
      pyramid: `[N, size, size, channels]` in [-1, 1] for each scale, smallest first;
        the largest of at most 16 pixels is shown, or the smallest.
      num_images: How many of the N to show at most.
      width: Width of the terminal, in characters.

    Returns:
      An object that `rich` prints in colour, reduced to what the terminal has.
    """
    images = [scale for scale in pyramid if scale.shape[1] <= _LARGEST] or pyramid[:1]
    tiles = to_uint8(images[-1][:num_images])
    # A tile of an odd height would be stretched.
    below = 2 - tiles.shape[1] % 2
    tiles = np.pad(tiles, [(0, 0), (0, below), (0, 1), (0, 0)])
    columns = min(len(tiles), max(1, width // tiles.shape[2]))
    rows = -(-len(tiles) // columns)
    missing = rows * columns - len(tiles)
    tiles = np.pad(tiles, [(0, missing), (0, 0), (0, 0), (0, 0)])
    lines = tiles.reshape(rows, columns, *tiles.shape[1:]).swapaxes(1, 2)
    sheet = lines.reshape(rows * tiles.shape[1], -1, tiles.shape[-1])
    return rich_pixels.Pixels.from_image(to_picture(sheet).convert("RGB"))
