"""Tones and weaves of cloth; 0 is the black background, 255 is white."""

from collections.abc import Callable

from PIL import Image, ImageChops

from .canvas import SCALE, SIZE, UNITS
from .dice import Dice

_TURN = Image.Transpose.TRANSPOSE


def shade(tone: int, change: float) -> int:
    """Returns a lighter or darker tone, clipped to [12, 250]."""
    return min(250, max(12, round(tone + change)))


def contrast(tone: int, dice: Dice) -> int:
    """Returns a tone that differs by 50 or more."""
    if tone < 62 or (tone < 190 and dice.chance(0.5)):
        return shade(tone, dice.between(50, 140))
    return shade(tone, -dice.between(50, 170))


def melange(tone: int, dice: Dice) -> Image.Image:
    """Yarns of slightly different tones, as in knitwear."""
    return _clouded(tone, dice.whole(17, 48), dice.whole(34, 68), dice)


def washed(tone: int, dice: Dice) -> Image.Image:
    """Large soft patches, as in worn denim or leather."""
    return _clouded(tone, 5, 6, dice)


def blotches(tone: int, dice: Dice) -> Image.Image:
    """Blotches of two more tones: flowers, camouflage, animal skins."""
    first, second = contrast(tone, dice), contrast(tone, dice)
    low, high = dice.between(60, 105), dice.between(150, 185)
    cells = dice.whole(10, 25), dice.whole(10, 25)
    table = [first if v < low else second if v > high else tone for v in range(256)]
    return dice.noise(*cells, SIZE).point(table)


def stripes(tone: int, dice: Dice) -> Image.Image:
    """Horizontal stripes, or a few broad blocks."""
    period = dice.roll(((1.8, 3.2), (3, 8), (3, 8), (16, 34)))
    return _printed(tone, _bars(period, dice), dice)


def pinstripes(tone: int, dice: Dice) -> Image.Image:
    """Vertical stripes."""
    return stripes(tone, dice).transpose(_TURN)


def checks(tone: int, dice: Dice) -> Image.Image:
    """Stripes both ways, darker or lighter where they cross."""
    image = _printed(tone, _bars(dice.between(2.4, 5.5), dice), dice)
    return Image.blend(image, image.transpose(_TURN), 0.5)


def spots(tone: int, dice: Dice) -> Image.Image:
    """Spots in rows and columns."""
    bars = _bars(dice.between(2.4, 4.5), dice)
    return _printed(tone, ImageChops.darker(bars, bars.transpose(_TURN)), dice)


def _clouded(tone: int, across: int, down: int, dice: Dice) -> Image.Image:
    clouds = dice.noise(across, down, SIZE)
    return Image.blend(_sheet(tone), clouds, dice.between(0.05, 0.2))


def _sheet(tone: int) -> Image.Image:
    return Image.new("L", (SIZE, SIZE), tone)


def _printed(tone: int, mask: Image.Image, dice: Dice) -> Image.Image:
    image = _sheet(tone)
    image.paste(contrast(tone, dice), mask=mask)
    return image


def _bars(period: float, dice: Dice) -> Image.Image:
    """Returns a mask of horizontal bars, `period` units apart."""
    start, width = dice.between(0, period), dice.between(0.3, 0.6) * period
    mask = _sheet(0)
    for index in range(-1, 1 + int(UNITS / period)):
        low = round((start + index * period) * SCALE)
        mask.paste(255, (0, low, SIZE, low + round(width * SCALE)))
    return mask


_ALL = (melange, washed, blotches, stripes, pinstripes, checks, spots)
WEAVES: dict[str, Callable[[int, Dice], Image.Image]] = {w.__name__: w for w in _ALL}
"""Functions that draw cloth of a main tone, by their name in the patterns."""
