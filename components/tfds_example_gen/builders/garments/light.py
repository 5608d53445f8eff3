"""Renders a canvas to an image, with light, folds and grain."""

import numpy as np
from PIL import Image, ImageChops, ImageFilter

from .canvas import Canvas
from .dice import Dice

SIDE = 28
_SHARPEN = ImageFilter.UnsharpMask(radius=1, percent=75, threshold=0)
_SOFTEN = ImageFilter.BoxBlur(1)
_ACROSS = (2 * np.arange(SIDE) - (SIDE - 1)) / (SIDE - 1)
# Shadow in seams and creases, and sheen at the edges of black cloth.
_SEAM, _SHEEN = 0.8, 0.3


def develop(canvas: Canvas, dice: Dice) -> np.ndarray:
    """Lights a canvas and scales it down to the image.

    This follows the processing of Fashion-MNIST: photographs on white, trimmed, resized
    to 28 pixels on the longer side, sharpened, stretched to the full range of tones,
    and inverted. In a negative, shadows brighten dark tones a lot and light ones a
    little.

    Args:
        canvas: The finished drawing.
        dice: Random choices for light, folds and grain.

    Returns:
        uint8 `[28, 28, 1]`, 0 wherever nothing was drawn.
    """
    ink, drawn, relief = _trimmed(canvas)
    # One conversion for all layers, since conversions cost more than the arithmetic.
    layers = (ink.filter(_SHARPEN), drawn, relief, relief.filter(_SOFTEN))
    fields = np.asarray(Image.merge("CMYK", layers)).transpose(2, 0, 1)
    tone, cover, height, soft = np.ascontiguousarray(fields) / 255
    folds = np.asarray(dice.noise(dice.whole(4, 9), dice.whole(3, 8), SIDE)) / 255

    seams = cover - height
    shadow = dice.between(0.15, 0.6) * (1 - soft) + _SEAM * seams
    slope = dice.roll(((-0.5, -0.1), (0.1, 0.5)))
    shadow[:, 1:-1] += slope * (soft[:, 2:] - soft[:, :-2])
    shadow += dice.between(0.08, 0.4) * (folds - 0.5)
    shadow += dice.between(0.04, 0.18) * (dice.grain(SIDE) - 0.5)
    across, down = dice.between(-0.15, 0.15), dice.between(-0.15, 0.15)
    shadow += across * _ACROSS + down * _ACROSS[:, np.newaxis]

    # Even the blackest cloth reflects a little light; otherwise it would look flat.
    reflected = 1.05 * cover - tone
    picture = tone + reflected * shadow
    picture -= _SHEEN * seams * tone * tone
    # And no cloth is as white as the background.
    picture = np.maximum(picture / picture.max(), 0.03 * cover)
    picture = np.minimum(picture, cover)
    return np.rint(255 * picture).astype(np.uint8)[:, :, np.newaxis]


def _trimmed(canvas: Canvas) -> tuple[Image.Image, ...]:
    """Returns ink, coverage (255 where drawn) and relief, at the size of the image."""
    drawn = ImageChops.add(canvas.ink, canvas.ink, scale=1 / 255)
    box = left, top, right, bottom = drawn.getbbox() or (0, 0, SIDE, SIDE)
    scale = SIDE / max(right - left, bottom - top)
    width, height = round((right - left) * scale), round((bottom - top) * scale)
    # Resizing all layers at once is faster than one by one.
    layers = Image.merge("RGB", (canvas.ink, drawn, canvas.relief))
    content = layers.resize((width, height), Image.Resampling.BOX, box)
    picture = Image.new("RGB", (SIDE, SIDE))
    picture.paste(content, ((SIDE - width) // 2, (SIDE - height) // 2))
    return picture.split()
