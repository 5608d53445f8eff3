"""Shirts and blouses."""

from components.garments import necklines, weaves
from components.garments.canvas import CENTRE, Canvas
from components.garments.dice import Dice
from components.garments.light import Light
from components.garments.tones import shade
from components.garments.torso import Sleeve, Torso, draw_sleeves, long_sleeve
from components.garments.trimmings import cuffs, hanging

_TONES = (40, 65, 96, 125, 152, 178, 199, 215, 230)

_WEAVES: dict[weaves.Weave, int] = {
    weaves.plain: 6,
    weaves.melange: 1,
    weaves.checks: 2,
    weaves.pinstripes: 1,
    weaves.dots: 1,
    weaves.blotches: 1,
}


def draw_shirt(dice: Dice) -> tuple[Canvas, Light]:
    """A shirt or a blouse, with long or short sleeves."""
    canvas = Canvas(hanging(dice))
    cloth = weaves.choose(_WEAVES, _TONES, dice)
    blouse = dice.chance(0.25)
    chest = dice.between(5.2, 6.5)
    torso = Torso(
        top=0.5,
        neck=dice.between(2.0, 2.8) + blouse * dice.between(0, 1.5),
        shoulder=chest + dice.between(-0.5, 0.4),
        shoulder_y=dice.between(1.6, 2.8),
        chest=chest,
        chest_y=dice.between(8, 10),
        waist=chest - dice.between(0.1, 1.1),
        waist_y=16,
        hem=chest + dice.between(-0.3, 0.6) + blouse * dice.between(0, 1.5),
        hem_y=dice.between(25.6, 26.6),
        hem_curve=dice.between(0.4, 1.6),
    )
    if dice.chance(0.25):
        length = dice.between(6.5, 10)
        sleeve = Sleeve(length, length * dice.between(0.3, 0.6), dice.between(3.5, 5.0))
    else:
        sleeve = long_sleeve(dice)
        if blouse:
            sleeve = Sleeve(
                dice.between(14, 20), dice.between(3, 6), dice.between(3, 4.5)
            )
    draw_sleeves(canvas, torso, sleeve, cloth, dice)
    torso.draw(canvas, cloth)
    tone = cloth.tone
    if blouse:
        if dice.chance(0.5):
            necklines.vee(canvas, torso.neck, dice.between(3, 7), tone, dice)
        else:
            necklines.crew(canvas, torso.neck, dice.between(1.5, 4), tone, dice)
        _pleats(canvas, torso, dice)
        return canvas, Light(
            folds=dice.between(0.1, 0.4), fold_cells=(dice.whole(6, 10), 3)
        )
    _placket(canvas, torso, tone, dice)
    if dice.chance(0.4):
        _chest_pockets(canvas, dice, dice.pick((1, 2)))
    if sleeve.length > 12:
        cuffs(canvas, torso, sleeve, shade(tone, dice.between(-20, 25)))
    necklines.collar(canvas, torso.neck, dice.between(2.2, 3.4), tone, dice)
    return canvas, Light(
        folds=dice.between(0.06, 0.3), fold_cells=(dice.whole(5, 9), 3)
    )


def _chest_pockets(canvas: Canvas, dice: Dice, count: int) -> None:
    y, width = dice.between(8, 10), dice.between(2.2, 2.8)
    for side in (-1, 1)[:count]:
        x = CENTRE + side * 3.2
        box = [
            (x - width / 2, y),
            (x + width / 2, y),
            (x + width / 2, y + 2.6),
            (x, y + 3.2),
            (x - width / 2, y + 2.6),
            (x - width / 2, y),
        ]
        canvas.groove(box, 100)


def _placket(canvas: Canvas, torso: Torso, tone: int, dice: Dice) -> None:
    """The buttoned strip down the front of a shirt."""
    bottom = torso.hem_y + torso.hem_curve
    half = dice.between(0.5, 0.9)
    strip = shade(tone, dice.between(-25, 30))
    canvas.line([(CENTRE, 2), (CENTRE, bottom)], strip, 2 * half)
    canvas.groove([(CENTRE + half, 2), (CENTRE + half, bottom)], 60)
    if dice.chance(0.5):
        canvas.groove([(CENTRE - half, 2), (CENTRE - half, bottom)], 140)
    button = shade(tone, dice.pick((-120, -70, 70)))
    step = dice.between(2.6, 3.8)
    y = 4.0
    while y < bottom - 2:
        canvas.dot((CENTRE, y), 0.38, button)
        y += step


def _pleats(canvas: Canvas, torso: Torso, dice: Dice) -> None:
    for _ in range(dice.whole(2, 6)):
        x = dice.between(-0.8, 0.8)
        top = dice.between(5, 12)
        canvas.groove(
            [
                (CENTRE + x * torso.waist, top),
                (CENTRE + x * torso.hem * 1.1, torso.hem_y),
            ],
            dice.whole(90, 170),
        )
