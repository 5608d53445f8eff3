"""Pose, prints, ribs and cuffs of tops."""

from components.garments import weaves
from components.garments.canvas import CENTRE, SIDE, Canvas, Pose, level
from components.garments.dice import Dice
from components.garments.tones import contrast
from components.garments.torso import Sleeve, Torso


def hanging(dice: Dice) -> Pose:
    """Returns a pose a little off the straight."""
    return Pose(
        lean=dice.between(-0.025, 0.025),
        sag=dice.between(-0.02, 0.02),
        stretch=dice.between(0.94, 1.06),
    )


def chest_print(canvas: Canvas, torso: Torso, tone: int, dice: Dice) -> None:
    """Letters, a picture, a band or a small logo on the front."""
    ink = contrast(tone, dice, 70)
    top = dice.between(6, 9)
    kinds = {"text": 2, "badge": 1, "picture": 1, "band": 1, "logo": 2}
    kind = dice.weigh(kinds)
    if kind == "text":
        for row in range(dice.whole(1, 4)):
            y = top + 1.9 * row
            x = CENTRE - dice.between(2, 4.5)
            end = SIDE - x
            while x < end:
                width = dice.between(0.5, 1.6)
                canvas.line([(x, y), (x + width, y)], ink, dice.between(0.8, 1.4))
                x += width + dice.between(0.3, 0.7)
    elif kind == "badge":
        radius = dice.between(1.8, 3.6)
        centre = (CENTRE, top + radius)
        canvas.dot(centre, radius, ink)
        canvas.dot(centre, radius * dice.between(0.3, 0.85), tone)
        x = centre[0] + dice.between(-1, 1)
        canvas.line([(x, top + 1), (x, top + radius)], ink, dice.between(0.5, 2))
    elif kind == "picture":
        width, height = dice.between(2.2, 4.2), dice.between(3.5, 9)
        outline = [
            (CENTRE - width, top),
            (CENTRE + width, top),
            (CENTRE + width * dice.between(0.3, 1.0), top + height),
            (CENTRE - width * dice.between(0.3, 1.0), top + height),
        ]
        canvas.fill(outline, weaves.blotches(ink, dice), edge=255)
    elif kind == "band":
        y = top + dice.between(0, 3)
        half = torso.half_width(y + 3)
        canvas.line(level(half, y), ink, dice.between(1, 3))
    else:
        x = CENTRE + dice.pick((-1, 1)) * dice.between(2.3, 3.3)
        canvas.line([(x - 0.8, top), (x + 0.8, top)], ink, dice.between(0.8, 1.8))


def rib(canvas: Canvas, torso: Torso, sleeve: Sleeve, tone: int, dice: Dice) -> None:
    """Knitted bands around the hem and the cuffs."""
    height = dice.between(1.2, 2.4)
    y = torso.hem_y - height
    half = torso.half_width(y)
    canvas.fill(
        [
            (CENTRE - half, y),
            (CENTRE + half, y),
            (CENTRE + torso.hem * 0.95, torso.hem_y),
            (CENTRE - torso.hem * 0.95, torso.hem_y),
        ],
        tone,
    )
    cuffs(canvas, torso, sleeve, tone)


def cuffs(canvas: Canvas, torso: Torso, sleeve: Sleeve, tone: int) -> None:
    """Bands around the ends of the sleeves."""
    band = sleeve.band(torso, 0.09)
    canvas.fill(band, tone, edge=60)
    canvas.fill([(SIDE - x, y) for x, y in band], tone, edge=60)
