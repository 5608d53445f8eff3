"""Necklines, collars and hoods of tops, coats and dresses."""

from components.garments.canvas import (
    CENTRE,
    Canvas,
    Cloth,
    Point,
    level,
    mirror,
    smooth,
)
from components.garments.dice import Dice
from components.garments.tones import shade


def crew(canvas: Canvas, neck: float, depth: float, tone: int, dice: Dice) -> None:
    """A round neckline with a ribbed rim; wide and deep it is a scoop."""
    edge = _bowl(neck, depth)
    canvas.cut([(CENTRE - neck, -1), *edge, (CENTRE + neck, -1)])
    if dice.chance(0.6):
        # The back of the neckline, seen inside the front.
        back = _bowl(neck, min(1.2, depth * 0.45))
        inside = shade(tone, dice.between(-70, 25))
        canvas.fill([*back, *reversed(edge)], inside)
    rim = shade(tone, dice.pick((dice.between(-25, 25), dice.between(-90, 90))))
    canvas.strap(edge, rim, 0.9)


def vee(canvas: Canvas, neck: float, depth: float, tone: int, dice: Dice) -> None:
    """A pointed neckline."""
    left = [(CENTRE - neck, 0.2), (CENTRE - neck * 0.5, depth * 0.55), (CENTRE, depth)]
    edge = [*left, *mirror(left)[1:]]
    canvas.cut([(CENTRE - neck, -1), *edge, (CENTRE + neck, -1)])
    if dice.chance(0.6):
        back = _bowl(neck, min(1.2, depth * 0.3))
        canvas.fill([*back, *reversed(edge)], shade(tone, dice.between(-70, 25)))
    canvas.strap(edge, shade(tone, dice.between(-40, 30)), 0.8)


def turtle(canvas: Canvas, neck: float, depth: float, cloth: Cloth, dice: Dice) -> None:
    """A tube around the neck, folded over once."""
    left = [(CENTRE - neck, 0.2), (CENTRE - neck - 0.3, depth)]
    canvas.fill([*left, *_bowl(neck + 0.3, depth + 0.7), *mirror(left)], cloth)
    fold = depth * dice.between(0.4, 0.6)
    canvas.groove(level(neck, fold), 120)


def collar(canvas: Canvas, neck: float, depth: float, tone: int, dice: Dice) -> None:
    """A turned-down collar, its two points either side of the opening."""
    opening = depth * dice.between(0.6, 1.0)
    canvas.fill(
        [(CENTRE - neck * 0.8, 0.4), (CENTRE, opening), (CENTRE + neck * 0.8, 0.4)],
        shade(tone, dice.between(-80, -20)),
    )
    flap = [
        (CENTRE - neck, 0.0),
        (CENTRE - neck - 0.7, depth * 0.55),
        (CENTRE - neck * 0.55, depth),
        (CENTRE - 0.15, opening),
        (CENTRE - neck * 0.6, 0.2),
    ]
    cloth = shade(tone, dice.between(-25, 35))
    canvas.fill(flap, cloth, edge=0)
    canvas.fill(mirror(flap), cloth, edge=0)


def lapels(canvas: Canvas, neck: float, depth: float, tone: int, dice: Dice) -> None:
    """The turned-back fronts of a jacket, open down to `depth`."""
    inside = dice.pick((0, shade(tone, -dice.between(30, 120)), dice.whole(20, 230)))
    opening = [(CENTRE - neck, 0.2), (CENTRE, depth), (CENTRE + neck, 0.2)]
    if inside:
        canvas.fill(opening, inside)
    else:
        canvas.cut([(CENTRE - neck, -1), *opening, (CENTRE + neck, -1)])
    width = dice.between(1.6, 2.8)
    notch = depth * dice.between(0.35, 0.55)
    flap = [
        (CENTRE - neck, 0.0),
        (CENTRE - neck - width * 0.7, 1.4),
        (CENTRE - neck * 0.8 - width, notch),
        (CENTRE - 0.2, depth + 0.3),
        (CENTRE - neck * 0.6, notch * 0.8),
    ]
    cloth = shade(tone, dice.between(-45, 35))
    canvas.fill(flap, cloth, edge=0)
    canvas.fill(mirror(flap), cloth, edge=0)


def hood(canvas: Canvas, width: float, depth: float, cloth: Cloth, dice: Dice) -> None:
    """A hood lying up behind the neck, open at the front."""
    left: list[Point] = smooth(
        [
            (CENTRE, 0.2),
            (CENTRE - width * 0.65, 0.9),
            (CENTRE - width, depth * 0.6),
            (CENTRE - width * 0.75, depth),
            (CENTRE, depth + 1.0),
        ]
    )
    canvas.fill([*left, *mirror(left)], cloth, edge=0)
    inner = width * dice.between(0.4, 0.6)
    hollow = smooth(
        [
            (CENTRE, 1.6),
            (CENTRE - inner, 2.4),
            (CENTRE - inner * 0.8, depth * 0.8),
            (CENTRE, depth + 0.5),
        ]
    )
    inside = shade(cloth.tone, dice.between(-90, 20))
    canvas.fill([*hollow, *mirror(hollow)], inside)
    if dice.chance(0.4):
        string = shade(cloth.tone, dice.pick((-90, 70)))
        length = dice.between(2, 5)
        for x in (CENTRE - 1.3, CENTRE + 1.3):
            canvas.line([(x, depth), (x, depth + length)], string, 0.5)


def _bowl(neck: float, depth: float) -> list[Point]:
    left = [
        (CENTRE - neck, 0.2),
        (CENTRE - neck * 0.75, depth * 0.66),
        (CENTRE, depth),
    ]
    return smooth([*left, *mirror(left)[1:]])
