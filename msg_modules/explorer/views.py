"""Renders pictures for display and download."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
import PIL.Image

from msg_modules.generator.sampling import Generator, to_pictures
from msg_modules.pictures import sheets

# Coordinates along a side of the map, in standard deviations.
MAP_TICKS = np.linspace(-3, 3, 13)
_SMALLEST_SIDE = 280
_GAP = 8


def to_png(picture: PIL.Image.Image) -> bytes:
    """Encodes a picture as PNG."""
    content = io.BytesIO()
    picture.save(content, "png")
    return content.getvalue()


def to_data_uri(picture: PIL.Image.Image) -> str:
    """Encodes a picture as a data URI."""
    return "data:image/png;base64," + base64.b64encode(to_png(picture)).decode()


def to_data_uris(images: np.ndarray) -> list[str]:
    """Encodes images as data URIs, unscaled.

    Args:
      images: `[num_images, size, size, channels]` in [-1, 1].
    """
    return [to_data_uri(picture) for picture in to_pictures(images)]


def to_gif(images: np.ndarray) -> bytes:
    """Encodes images, enlarged, as an animated GIF.

    Args:
      images: `[num_images, size, size, channels]` in [-1, 1].
    """
    content = io.BytesIO()
    side = sheets.enlarged(images.shape[1], _SMALLEST_SIDE)
    frames = [_enlarge(picture, side) for picture in to_pictures(images)]
    frames[0].save(content, "gif", **sheets.animation_options(frames))
    return content.getvalue()


def scales_beside(pyramid: Sequence[np.ndarray]) -> PIL.Image.Image:
    """Renders an image at all scales side by side, enlarged to the same size.

    Args:
      pyramid: `[1, size, size, channels]` in [-1, 1] for each scale, smallest first.
    """
    pictures = [to_pictures(scale)[0] for scale in pyramid]
    side = sheets.enlarged(pictures[-1].width, _SMALLEST_SIDE)
    width = len(pyramid) * (side + _GAP) - _GAP
    beside = PIL.Image.new("L", (width, side), 255).convert(pictures[-1].mode)
    for place, picture in enumerate(pictures):
        beside.paste(_enlarge(picture, side), (place * (side + _GAP), 0))
    return beside


def draw_map(
    generator: Generator, centre: np.ndarray, across: np.ndarray, up: np.ndarray
) -> PIL.Image.Image:
    """Renders a plane through latent space as a mosaic.

    Args:
      generator: The generator.
      centre: float32 `[latent_dim + num_classes]`, the code in the middle.
      across: float32 of the same shape, the direction from left to right.
      up: float32 of the same shape, the direction from bottom to top.

    Returns:
      A picture with an image for each pair of `MAP_TICKS`, without gaps.
    """
    right, top = np.meshgrid(MAP_TICKS, MAP_TICKS[::-1])
    offsets = right.reshape(-1, 1) * across + top.reshape(-1, 1) * up
    images = sheets.to_uint8(generator.generate(centre + offsets)[-1])
    ticks, (size, _, channels) = len(MAP_TICKS), images.shape[1:]
    rows = images.reshape(ticks, ticks, size, size, channels).swapaxes(1, 2)
    return sheets.to_picture(rows.reshape(ticks * size, ticks * size, channels))


def _enlarge(picture: PIL.Image.Image, side: int) -> PIL.Image.Image:
    return picture.resize((side, side), PIL.Image.Resampling.NEAREST)
