"""Turns a canvas into a picture: the light, the folds and the grain."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageChops, ImageFilter

from components.garments.canvas import SCALE, SIDE, Canvas
from components.garments.dice import Dice

_SHARPEN = ImageFilter.UnsharpMask(radius=1, percent=75, threshold=0)
_SOFTEN = ImageFilter.BoxBlur(1)
_ACROSS = (2 * np.arange(SIDE) - (SIDE - 1)) / (SIDE - 1)


@dataclass(frozen=True)
class Light:
    """How a material looks under the light; all strengths are 0 or more.

    Attributes:
        rim: Shadow along the borders.
        seam: Shadow in seams and creases.
        slope: Difference between the lit and the unlit side of a roundness.
        folds: Strength of large, soft folds.
        fold_cells: How many folds fit across and down.
        grain: Strength of pixel noise.
        sheen: How much light the edges of black cloth catch.
    """

    rim: float = 0.6
    seam: float = 0.8
    slope: float = 0.3
    folds: float = 0.2
    fold_cells: tuple[int, int] = (6, 3)
    grain: float = 0.05
    sheen: float = 0.3


def develop(canvas: Canvas, light: Light, dice: Dice) -> np.ndarray:
    """Lights a canvas and reduces it to the picture.

    Fashion-MNIST shows photographs on white, sharpened, stretched to the whole
    range of tones and turned into negatives, and so does this. On a negative
    shadows brighten dark tones much and light ones little.

    Args:
        canvas: The finished drawing.
        light: How its material takes the light.
        dice: Where the folds and the grain come from.

    Returns:
        uint8 `[28, 28, 1]`, 0 wherever nothing was drawn.
    """
    drawn = ImageChops.add(canvas.ink, canvas.ink, scale=1 / 255)
    relief = canvas.relief.reduce(SCALE)
    tone, cover, height, soft, folds = _fields(
        canvas.ink.reduce(SCALE).filter(_SHARPEN),
        drawn.reduce(SCALE),
        relief,
        relief.filter(_SOFTEN),
        dice.noise(*light.fold_cells, (SIDE, SIDE)),
    )

    shadow = light.rim * (1 - soft)
    seams = cover - height
    shadow += light.seam * seams
    slope = dice.pick((-1, 1)) * light.slope
    shadow[:, 1:-1] += slope * (soft[:, 2:] - soft[:, :-2])
    shadow += 2 * light.folds * (folds - 0.5)
    shadow += 2 * light.grain * (dice.grain(SIDE, SIDE) - 0.5)
    shadow += dice.between(-0.15, 0.15) * _ACROSS
    shadow += dice.between(-0.15, 0.15) * _ACROSS[:, np.newaxis]

    # The blackest cloth still throws back a little light, or it would come out flat.
    reflected = 1.05 * cover - tone
    picture = tone + reflected * shadow
    picture -= light.sheen * seams * tone * tone
    # Nor is any cloth as white as the background.
    picture = np.maximum(picture / picture.max(), 0.03 * cover)
    picture = np.minimum(picture, cover)
    return np.rint(255 * picture).astype(np.uint8)[:, :, np.newaxis]


def _fields(*layers: Image.Image) -> np.ndarray:
    """Returns layers of the picture's size as one array of values from 0 to 1."""
    # One conversion for all, since each costs more than the arithmetic on it.
    stack = Image.new("L", (SIDE, SIDE * len(layers)))
    for index, layer in enumerate(layers):
        stack.paste(layer, (0, SIDE * index))
    return np.asarray(stack).reshape(len(layers), SIDE, SIDE) / 255
