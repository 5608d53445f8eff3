"""Dresses: sleeveless or sleeved, fitted, flared, pleated or straight."""

from components.garments import necklines, weaves
from components.garments.canvas import CENTRE, Canvas, Cloth, Pose, level
from components.garments.dice import Dice
from components.garments.light import Light
from components.garments.tones import contrast, shade
from components.garments.torso import Sleeve, Torso, draw_sleeves

_TONES = (55, 100, 137, 163, 185, 204, 219, 227, 238)
_WEAVES: dict[weaves.Weave, int] = {
    weaves.plain: 9,
    weaves.blotches: 3,
    weaves.melange: 1,
    weaves.stripes: 1,
    weaves.checks: 1,
    weaves.dots: 1,
    weaves.blocks: 1,
}


def draw_dress(dice: Dice) -> tuple[Canvas, Light]:
    """A dress seen from the front."""
    canvas = Canvas(
        Pose(lean=dice.between(-0.02, 0.02), stretch=dice.between(0.92, 1.08))
    )
    cloth = weaves.choose(_WEAVES, _TONES, dice)
    chest = dice.between(3.4, 4.9)
    waist_y = dice.between(9.5, 12.5)
    flare = dice.pick(
        (dice.between(-0.6, 0.4), dice.between(0.3, 2.0), dice.between(1.5, 4.5))
    )
    torso = Torso(
        top=0.3,
        neck=dice.between(1.5, 2.4),
        shoulder=chest - dice.between(-0.4, 0.5),
        shoulder_y=dice.between(0.7, 1.5),
        chest=chest,
        chest_y=dice.between(5.5, 7.0),
        waist=chest - dice.between(0.1, 1.0),
        waist_y=waist_y,
        hem=chest + flare,
        hem_y=27.3,
        hem_curve=dice.between(-0.4, 0.5),
    )
    sleeves = dice.weigh({"none": 2, "short": 1, "long": 2})
    if sleeves != "none":
        _sleeves(canvas, torso, cloth, long=sleeves == "long", dice=dice)
    torso.draw(canvas, cloth)
    if sleeves == "none":
        _straps(canvas, torso, cloth.tone, dice)
    elif dice.chance(0.3):
        necklines.vee(canvas, torso.neck, dice.between(2.5, 6), cloth.tone, dice)
    else:
        necklines.crew(canvas, torso.neck, dice.between(1, 3), cloth.tone, dice)
    if dice.chance(0.12):
        _other_skirt(canvas, torso, cloth.tone, dice)
    if dice.chance(0.55):
        _waistline(canvas, torso, cloth.tone, dice)
    if flare > 0.3 and dice.chance(0.7):
        _skirt_folds(canvas, torso, dice)
    if dice.chance(0.15):
        y = 27.3 - dice.between(1, 4)
        hem = contrast(cloth.tone, dice, 40)
        half = torso.half_width(y)
        canvas.line(level(half, y), hem, dice.between(0.5, 1.5))
    return canvas, Light(
        rim=dice.between(0.3, 0.7),
        slope=dice.between(0.1, 0.5),
        folds=dice.between(0.08, 0.35),
        fold_cells=(dice.whole(6, 11), dice.whole(2, 4)),
        grain=dice.between(0.02, 0.07),
    )


def _sleeves(
    canvas: Canvas, torso: Torso, cloth: Cloth, long: bool, dice: Dice
) -> None:
    if long:
        length = dice.between(11, 18)
        sleeve = Sleeve(
            length,
            out=dice.between(1.2, 4.0),
            cuff=dice.between(1.6, 2.8),
            bow=dice.between(-0.2, 0.6),
        )
    else:
        length = dice.between(3.0, 6.0)
        sleeve = Sleeve(
            length, out=length * dice.between(0.3, 0.7), cuff=dice.between(2.2, 3.4)
        )
    draw_sleeves(canvas, torso, sleeve, cloth, dice)


def _straps(canvas: Canvas, torso: Torso, tone: int, dice: Dice) -> None:
    """Cuts a sleeveless bodice: wide shoulders, thin straps or none at all."""
    top = dice.between(2.5, 5.5)
    width = dice.between(0.5, 2.2)
    middle = torso.shoulder - dice.between(0.6, 1.4)
    inner, outer = middle - width / 2, middle + width / 2
    dip = dice.between(0.0, 2.0)
    inside = shade(tone, dice.between(-100, -20))
    back = dice.chance(0.3)
    neck = [
        (CENTRE - inner, -1),
        (CENTRE - inner + 0.3, top),
        (CENTRE, top + dip),
        (CENTRE + inner - 0.3, top),
        (CENTRE + inner, -1),
    ]
    canvas.cut(neck)
    if back:
        canvas.fill(
            [
                (CENTRE - inner + 0.3, top * 0.6),
                (CENTRE - inner + 0.3, top),
                (CENTRE, top + dip),
                (CENTRE + inner - 0.3, top),
                (CENTRE + inner - 0.3, top * 0.6),
            ],
            inside,
        )
    for side in (-1, 1):
        canvas.cut(
            [
                (CENTRE + side * outer, -1),
                (CENTRE + side * outer, top * 0.8),
                (CENTRE + side * (torso.chest + 0.4), torso.chest_y),
                (CENTRE + side * (torso.chest + 3), -1),
            ]
        )


def _other_skirt(canvas: Canvas, torso: Torso, tone: int, dice: Dice) -> None:
    """A skirt in another tone than the bodice."""
    y = torso.waist_y
    canvas.fill(
        [
            (CENTRE - torso.waist, y),
            (CENTRE + torso.waist, y),
            (CENTRE + torso.hem, torso.hem_y),
            (CENTRE - torso.hem, torso.hem_y),
        ],
        contrast(tone, dice, 40),
    )


def _waistline(canvas: Canvas, torso: Torso, tone: int, dice: Dice) -> None:
    ends = level(torso.waist, torso.waist_y)
    if dice.chance(0.4):
        canvas.strap(ends, contrast(tone, dice, 30), dice.between(0.7, 1.5))
    else:
        canvas.groove(ends, 40)


def _skirt_folds(canvas: Canvas, torso: Torso, dice: Dice) -> None:
    count = dice.whole(3, 8)
    top = torso.waist_y + dice.between(0, 3)
    for index in range(count):
        share = 2 * (index + dice.between(0.2, 0.8)) / count - 1
        canvas.groove(
            [
                (CENTRE + share * torso.waist * 0.9, top),
                (CENTRE + share * torso.hem, torso.hem_y),
            ],
            dice.whole(30, 150),
            dice.between(0.3, 0.8),
        )
