"""Turns a canvas into a picture: the light, the folds and the grain."""

import numpy as np
from PIL import Image, ImageChops, ImageFilter

from .canvas import Canvas
from .dice import Dice

SIDE = 28
_SHARPEN = ImageFilter.UnsharpMask(radius=1, percent=75, threshold=0)
_SOFTEN = ImageFilter.BoxBlur(1)
_ACROSS = (2 * np.arange(SIDE) - (SIDE - 1)) / (SIDE - 1)
# Shadow in seams and creases, and how much light the edges of black cloth catch.
_SEAM, _SHEEN = 0.8, 0.3


def develop(canvas: Canvas, dice: Dice) -> np.ndarray:
    """Lights a canvas and reduces it to the picture.

    Fashion-MNIST shows photographs on white, trimmed, reduced until the longer
    side has 28 pixels, sharpened, stretched to the whole range of tones and
    turned into negatives, and so does this. On a negative shadows brighten dark
    tones much and light ones little.

    Args:
        canvas: The finished drawing.
        dice: Where the folds and the grain come from.

    Returns:
        uint8 `[28, 28, 1]`, 0 wherever nothing was drawn.
    """
    ink, drawn, relief = _trimmed(canvas)
    # One conversion for all, since each costs more than the arithmetic on it.
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

    # The blackest cloth still throws back a little light, or it would come out flat.
    reflected = 1.05 * cover - tone
    picture = tone + reflected * shadow
    picture -= _SHEEN * seams * tone * tone
    # Nor is any cloth as white as the background.
    picture = np.maximum(picture / picture.max(), 0.03 * cover)
    picture = np.minimum(picture, cover)
    return np.rint(255 * picture).astype(np.uint8)[:, :, np.newaxis]


def _trimmed(canvas: Canvas) -> tuple[Image.Image, ...]:
    """Returns ink, what is drawn (255) and relief, reduced to the picture's size."""
    drawn = ImageChops.add(canvas.ink, canvas.ink, scale=1 / 255)
    box = left, top, right, bottom = drawn.getbbox() or (0, 0, SIDE, SIDE)
    scale = SIDE / max(right - left, bottom - top)
    width, height = round((right - left) * scale), round((bottom - top) * scale)
    # All at once, which is faster than one by one.
    layers = Image.merge("RGB", (canvas.ink, drawn, canvas.relief))
    content = layers.resize((width, height), Image.Resampling.BOX, box)
    picture = Image.new("RGB", (SIDE, SIDE))
    picture.paste(content, ((SIDE - width) // 2, (SIDE - height) // 2))
    return picture.split()
