"""What cloth can be made of: plain, patterned, printed."""

from collections.abc import Callable, Mapping, Sequence

from PIL import Image, ImageDraw

from components.garments.canvas import SCALE, SIDE, Cloth
from components.garments.dice import Dice
from components.garments.tones import contrast

_SIZE = (SIDE * SCALE, SIDE * SCALE)

Weave = Callable[[int, Dice], Cloth]


def choose(weaves: Mapping[Weave, int], tones: Sequence[float], dice: Dice) -> Cloth:
    """Returns a cloth of one of the weaves.

    Args:
        weaves: How likely each weave is, relative to the others.
        tones: Evenly spaced quantiles of the tone of the cloth.
        dice: Makes the choice.
    """
    return dice.weigh(weaves)(round(dice.along(tones)), dice)


def plain(tone: int, dice: Dice) -> Cloth:
    """One tone all over."""
    del dice
    return Cloth(tone)


def melange(tone: int, dice: Dice) -> Cloth:
    """Yarns of slightly different tones, as in knitwear."""
    cells = dice.pick(((28, 28), (14, 56), (40, 28)))
    return _clouded(tone, cells, dice.between(0.05, 0.17), dice)


def washed(tone: int, dice: Dice) -> Cloth:
    """Large soft patches, as in worn denim or leather."""
    cells = dice.pick(((3, 4), (4, 5), (5, 3)))
    return _clouded(tone, cells, dice.between(0.06, 0.2), dice)


def blotches(tone: int, dice: Dice) -> Cloth:
    """Blotches of two more tones: flowers, camouflage, animal skins."""
    first, second = contrast(tone, dice), contrast(tone, dice)
    low, high = dice.whole(60, 105), dice.whole(150, 185)
    cells = dice.whole(8, 20), dice.whole(8, 20)
    table = [first if v < low else second if v > high else tone for v in range(256)]
    return Cloth(tone, dice.noise(*cells, _SIZE).point(table))


def stripes(tone: int, dice: Dice) -> Cloth:
    """Horizontal stripes."""
    image = Image.new("L", _SIZE, tone)
    _bars(image, dice, contrast(tone, dice, 35), across=True)
    return Cloth(tone, image)


def pinstripes(tone: int, dice: Dice) -> Cloth:
    """Vertical stripes."""
    image = Image.new("L", _SIZE, tone)
    _bars(image, dice, contrast(tone, dice, 35), across=False)
    return Cloth(tone, image)


def checks(tone: int, dice: Dice) -> Cloth:
    """Stripes both ways, darker or lighter where they cross."""
    other = contrast(tone, dice, 45)
    half = (tone + other) // 2
    image = Image.new("L", _SIZE, tone)
    period, width = dice.between(2.4, 5.5), dice.between(0.4, 0.6)
    down = Image.new("L", _SIZE)
    across = Image.new("L", _SIZE)
    _repeat(down, period, width, 0.0, 255, across=False)
    _repeat(across, period, width, dice.between(0, period), 255, across=True)
    image.paste(half, mask=down)
    image.paste(half, mask=across)
    both = Image.new("L", _SIZE)
    both.paste(down, mask=across)
    image.paste(other, mask=both)
    return Cloth(tone, image)


def blocks(tone: int, dice: Dice) -> Cloth:
    """Two or three broad bands of different tones."""
    image = Image.new("L", _SIZE, tone)
    draw = ImageDraw.Draw(image)
    top = dice.between(5, 18)
    bottom = top + dice.pick((dice.between(3, 7), 28.0))
    draw.rectangle(
        (0, round(top * SCALE), _SIZE[0], round(bottom * SCALE)),
        fill=contrast(tone, dice),
    )
    return Cloth(tone, image)


def dots(tone: int, dice: Dice) -> Cloth:
    """Small dots in staggered rows."""
    image = Image.new("L", _SIZE, tone)
    draw = ImageDraw.Draw(image)
    other = contrast(tone, dice, 70)
    step, radius = dice.between(2.6, 4.5) * SCALE, dice.between(0.4, 0.9) * SCALE
    for row in range(1 + int(_SIZE[1] / step)):
        for column in range(1 + int(_SIZE[0] / step)):
            x = round((column + 0.5 * (row % 2)) * step)
            y = round(row * step)
            r = round(radius)
            draw.ellipse((x - r, y - r, x + r, y + r), fill=other)
    return Cloth(tone, image)


def _clouded(tone: int, cells: tuple[int, int], share: float, dice: Dice) -> Cloth:
    flat = Image.new("L", _SIZE, tone)
    return Cloth(tone, Image.blend(flat, dice.noise(*cells, _SIZE), share))


def _bars(image: Image.Image, dice: Dice, tone: int, across: bool) -> None:
    period = dice.pick((dice.between(1.8, 3.2), dice.between(3, 8)))
    _repeat(
        image, period, dice.between(0.3, 0.6), dice.between(0, period), tone, across
    )


def _repeat(
    image: Image.Image,
    period: float,
    share: float,
    start: float,
    tone: int,
    across: bool,
) -> None:
    draw = ImageDraw.Draw(image)
    for index in range(-1, 1 + int(SIDE / period)):
        low = round((start + index * period) * SCALE)
        high = round((start + (index + share) * period) * SCALE)
        box = (0, low, _SIZE[0], high) if across else (low, 0, high, _SIZE[1])
        draw.rectangle(box, fill=tone)
