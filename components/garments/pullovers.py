"""Pullovers and sweatshirts."""

from components.garments import necklines, weaves
from components.garments.canvas import CENTRE, Canvas, Cloth
from components.garments.dice import Dice
from components.garments.light import Light
from components.garments.tones import contrast, shade
from components.garments.torso import Torso, draw_sleeves, long_sleeve
from components.garments.trimmings import chest_print, hanging, rib

_TONES = (45, 75, 111, 145, 172, 195, 213, 225, 238)

_WEAVES: dict[weaves.Weave, int] = {
    weaves.plain: 7,
    weaves.melange: 2,
    weaves.stripes: 2,
    weaves.blocks: 1,
    weaves.blotches: 1,
}


def draw_pullover(dice: Dice) -> tuple[Canvas, Light]:
    """A pullover, a sweatshirt or a hooded one."""
    canvas = Canvas(hanging(dice))
    cloth = weaves.choose(_WEAVES, _TONES, dice)
    chest = dice.between(5.2, 6.5)
    hooded = dice.chance(0.2)
    torso = Torso(
        top=2.6 if hooded else 0.5,
        neck=dice.between(2.4, 3.4),
        shoulder=chest + dice.between(-0.4, 0.6),
        shoulder_y=dice.between(1.6, 2.8) + hooded * 1.5,
        chest=chest,
        chest_y=dice.between(8, 10.5),
        waist=chest - dice.between(-0.2, 0.9),
        waist_y=17,
        hem=chest + dice.between(-0.7, 0.5),
        hem_y=dice.pick((27.5, dice.between(23.5, 27.5))),
        hem_curve=dice.between(-0.4, 0.3),
    )
    sleeve = long_sleeve(dice)
    own = Cloth(contrast(cloth.tone, dice)) if dice.chance(0.08) else cloth
    draw_sleeves(canvas, torso, sleeve, own, dice)
    torso.draw(canvas, cloth)
    if dice.chance(0.7):
        tone = shade(cloth.tone, dice.between(-30, 20))
        rib(canvas, torso, sleeve, tone, dice)
    if cloth.pattern is None and dice.chance(0.3):
        chest_print(canvas, torso, cloth.tone, dice)
    neck = torso.neck
    if hooded:
        necklines.hood(canvas, neck + 1.2, dice.between(4.5, 6.5), cloth, dice)
        if dice.chance(0.6):
            _pouch(canvas, torso, dice)
    elif dice.chance(0.22):
        necklines.turtle(canvas, neck, dice.between(2.0, 3.4), cloth, dice)
    elif dice.chance(0.25):
        necklines.vee(canvas, neck, dice.between(3.5, 7), cloth.tone, dice)
    else:
        necklines.crew(canvas, neck, dice.between(1.1, 2.6), cloth.tone, dice)
    return canvas, Light(
        rim=dice.between(0.5, 0.8),
        folds=dice.between(0.06, 0.25),
        fold_cells=(dice.whole(4, 9), 4),
        grain=dice.between(0.02, 0.09),
    )


def _pouch(canvas: Canvas, torso: Torso, dice: Dice) -> None:
    y = torso.hem_y - dice.between(7, 9)
    pouch = [
        (CENTRE - 2.4, y),
        (CENTRE - 4, torso.hem_y - 2.5),
        (CENTRE + 4, torso.hem_y - 2.5),
        (CENTRE + 2.4, y),
        (CENTRE - 2.4, y),
    ]
    canvas.groove(pouch, 80)
