"""Sheets of images, and animations of sheets."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont
import tensorflow as tf

from msg_modules.common import files
from msg_modules.common.errors import RunError

_SMALLEST_CELL = 56
_GAP = 4
_BACKGROUND = 96
_SECONDS_OF_ANIMATION = 8.0
_REAL_NAME = "real.png"
_CAPTION_HEIGHT = 30
_CAPTION_MARGIN = 8


def to_uint8(images: np.ndarray) -> np.ndarray:
    """Maps [-1, 1] to 0..255, rounded to the nearest and clipped."""
    return np.clip(np.rint((np.asarray(images) + 1.0) * 127.5), 0, 255).astype(np.uint8)


def count_columns(num_images: int) -> int:
    """Returns the number of images per row: as square as possible, at least 8."""
    return min(num_images, max(8, round(num_images**0.5)))


def to_picture(pixels: np.ndarray) -> PIL.Image.Image:
    """Converts an array to a picture.

    Args:
      pixels: uint8 `[height, width, channels]`, with 1 or 3 channels.
    """
    return PIL.Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)


def enlarged(size: int, smallest: int) -> int:
    """Returns the first multiple of a size that is not below `smallest`."""
    return size * -(-smallest // size)


def pyramid_sheet(pyramid: Sequence[np.ndarray], columns: int = 10) -> PIL.Image.Image:
    """Renders images in a grid, with the scales of an image stacked.

    Args:
      pyramid: `[num_images, size, size, channels]` in [-1, 1] for each scale.
      columns: Images per row.

    Returns:
      A picture in the images' colours; all scales are enlarged to the same size,
      without smoothing.
    """
    num_images = len(pyramid[0])
    cell = enlarged(pyramid[-1].shape[1], _SMALLEST_CELL)
    height = len(pyramid) * (cell + _GAP // 2) + _GAP
    width = columns * (cell + _GAP // 2)
    rows = -(-num_images // columns)
    channels = pyramid[-1].shape[-1]
    sheet = np.full([rows * height, width, channels], _BACKGROUND, np.uint8)
    for place, scale in enumerate(pyramid):
        factor = cell // scale.shape[1]
        for number, image in enumerate(to_uint8(scale)):
            row, column = divmod(number, columns)
            top = row * height + place * (cell + _GAP // 2)
            left = column * (cell + _GAP // 2)
            sheet[top : top + cell, left : left + cell] = image.repeat(
                factor, 0
            ).repeat(factor, 1)
    margins = [(_GAP, _GAP), (_GAP, _GAP), (0, 0)]
    return to_picture(np.pad(sheet, margins, constant_values=_BACKGROUND))


def side_by_side(
    pictures: Sequence[PIL.Image.Image], captions: Sequence[str]
) -> PIL.Image.Image:
    """Places pictures side by side, each below its caption."""
    width = sum(picture.width for picture in pictures)
    height = max(picture.height for picture in pictures)
    sheet = _blank(width, height + _CAPTION_HEIGHT, pictures[0].mode)
    draw, font = PIL.ImageDraw.Draw(sheet), _caption_font()
    left = 0
    for picture, caption in zip(pictures, captions, strict=True):
        middle = (left + picture.width // 2, _CAPTION_HEIGHT // 2)
        draw.text(middle, caption, fill="white", font=font, anchor="mm")
        sheet.paste(picture, (left, _CAPTION_HEIGHT))
        left += picture.width
    return sheet


def one_below_another(
    pictures: Sequence[PIL.Image.Image], captions: Sequence[str]
) -> PIL.Image.Image:
    """Places pictures one below the other, each to the right of its caption."""
    font = _caption_font()
    widest = max(font.getlength(caption) for caption in captions)
    left = round(widest) + 2 * _CAPTION_MARGIN
    width = left + max(picture.width for picture in pictures)
    height = sum(picture.height for picture in pictures)
    sheet = _blank(width, height, pictures[0].mode)
    draw = PIL.ImageDraw.Draw(sheet)
    top = 0
    for picture, caption in zip(pictures, captions, strict=True):
        end = (left - _CAPTION_MARGIN, top + picture.height // 2)
        draw.text(end, caption, fill="white", font=font, anchor="rm")
        sheet.paste(picture, (left, top))
        top += picture.height
    return sheet


def _blank(width: int, height: int, mode: str) -> PIL.Image.Image:
    return PIL.Image.new("L", (width, height), _BACKGROUND).convert(mode)


def _caption_font() -> PIL.ImageFont.FreeTypeFont | PIL.ImageFont.ImageFont:
    return PIL.ImageFont.load_default(size=_CAPTION_HEIGHT * 2 // 3)


def save_image(image: PIL.Image.Image, path: pathlib.Path, **options: Any) -> None:
    """Writes a picture atomically; creates the directory if it does not exist."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.beside(path) as part:
        image.save(part, **options)


def save_animation(frames: Sequence[PIL.Image.Image], path: pathlib.Path) -> None:
    """Writes pictures of equal size to an animated GIF that loops forever.

    Args:
      frames: The pictures in order; the last one is shown longer.
      path: The GIF file.

    Raises:
      ValueError: If there are no pictures.
    """
    options = animation_options(frames)
    save_image(frames[0], path, **options)


def animation_options(frames: Sequence[PIL.Image.Image]) -> dict[str, Any]:
    """Returns the options to save the first frame as an animation of all frames.

    Args:
      frames: The pictures in order.

    Returns:
      Keyword arguments of `PIL.Image.Image.save`.

    Raises:
      ValueError: If there are no pictures.
    """
    if not frames:
        raise ValueError("There are no pictures to animate.")
    each = max(40, int(1000 * _SECONDS_OF_ANIMATION / len(frames)))
    return {
        "save_all": True,
        "append_images": list(frames[1:]),
        "duration": [each] * (len(frames) - 1) + [2000],
        "loop": 0,
    }


class SampleSheets:
    """Writes sample sheets from fixed codes during training."""

    def __init__(self, directory: pathlib.Path, codes: tf.Tensor):
        """Keeps the codes.

        Args:
          directory: Gets `real.png`, `step-00000250.png` etc.
          codes: Input of the generator, `[num_images, latent_dim + num_classes]`.
        """
        self._directory = directory
        self._codes = codes

    def drop_after(self, step: int) -> None:
        """Removes sheets of later steps, which training will write again."""
        for path in self._directory.glob("step-*.png"):
            if int(path.stem.removeprefix("step-")) > step:
                path.unlink()

    def draw_real(self, pyramid: Sequence[np.ndarray]) -> None:
        """Writes a sheet of training images at all scales."""
        save_image(pyramid_sheet(pyramid), self._directory / _REAL_NAME)

    def draw(
        self, generator: tf.Module, step: int
    ) -> tuple[pathlib.Path, list[np.ndarray]]:
        """Writes a sheet of generated images at all scales.

        Returns:
          The file, and the pyramid.
        """
        pyramid = [scale.numpy() for scale in generator(self._codes, training=False)]
        path = self._directory / f"step-{step:08d}.png"
        save_image(pyramid_sheet(pyramid), path)
        return path, pyramid


def read_steps(directory: pathlib.Path) -> list[PIL.Image.Image]:
    """Reads the sample sheets of a training, in order of steps.

    Args:
      directory: The `samples` directory of a training.
    """
    return [_read(path) for path in sorted(directory.glob("step-*.png"))]


def read_real(directory: pathlib.Path) -> PIL.Image.Image:
    """Reads the sheet of training images.

    Args:
      directory: The `samples` directory of a training.
    """
    return _read(directory / _REAL_NAME)


def _read(path: pathlib.Path) -> PIL.Image.Image:
    try:
        # Closes the file, since a long training has many sheets.
        with PIL.Image.open(path) as image:
            return image.copy()
    except (OSError, SyntaxError, ValueError) as e:  # Pillow's for a damaged file.
        raise RunError(
            f"The sample sheet {str(path)!r} cannot be read ({e}); delete it."
        ) from e
