"""T-shirts, polo shirts and vests."""

from components.garments import necklines, weaves
from components.garments.canvas import CENTRE, Canvas, Cloth, level
from components.garments.dice import Dice
from components.garments.light import Light
from components.garments.tones import contrast, shade
from components.garments.torso import Sleeve, Torso, draw_sleeves
from components.garments.trimmings import chest_print, hanging

_TONES = (45, 70, 108, 140, 170, 190, 209, 222, 235)

_WEAVES: dict[weaves.Weave, int] = {
    weaves.plain: 6,
    weaves.melange: 1,
    weaves.stripes: 1,
    weaves.blocks: 1,
    weaves.blotches: 1,
}


def draw_tshirt(dice: Dice) -> tuple[Canvas, Light]:
    """A T-shirt or a sleeveless top."""
    canvas = Canvas(hanging(dice))
    cloth = weaves.choose(_WEAVES, _TONES, dice)
    chest = dice.between(5.8, 7.2)
    torso = Torso(
        top=0.3,
        neck=dice.between(2.3, 3.4),
        shoulder=chest + dice.between(-0.3, 0.6),
        shoulder_y=dice.between(1.2, 2.4),
        chest=chest,
        chest_y=dice.between(7.5, 9.5),
        waist=chest - dice.between(0.0, 1.0),
        waist_y=17,
        hem=chest + dice.between(-0.5, 0.8),
        hem_y=dice.between(26.6, 27.7),
        hem_curve=dice.between(-0.3, 0.5),
    )
    sleeveless = dice.chance(0.12)
    if not sleeveless:
        length = dice.between(4.5, 8.5)
        sleeve = Sleeve(
            length=length,
            out=length * dice.between(0.3, 0.72),
            cuff=dice.between(3.2, 5.0),
        )
        own = cloth
        if dice.chance(0.1):
            own = Cloth(contrast(cloth.tone, dice))
        draw_sleeves(canvas, torso, sleeve, own, dice)
    torso.draw(canvas, cloth)
    if sleeveless:
        _cut_armholes(canvas, torso, dice)
    if cloth.pattern is None and dice.chance(0.45):
        chest_print(canvas, torso, cloth.tone, dice)
    _hem_seam(canvas, torso, dice)
    neck = torso.neck
    if sleeveless or dice.chance(0.2):
        necklines.crew(canvas, neck, dice.between(3, 6.5), cloth.tone, dice)
    elif dice.chance(0.2):
        necklines.vee(canvas, neck, dice.between(3.5, 7), cloth.tone, dice)
    elif dice.chance(0.12):
        necklines.collar(canvas, neck, dice.between(2.2, 3.2), cloth.tone, dice)
        canvas.line([(CENTRE, 2.5), (CENTRE, 6.5)], shade(cloth.tone, -50), 0.4)
    else:
        necklines.crew(canvas, neck, dice.between(1.2, 2.6), cloth.tone, dice)
    return canvas, Light(
        folds=dice.between(0.05, 0.25), fold_cells=(dice.whole(4, 8), 3)
    )


def _cut_armholes(canvas: Canvas, torso: Torso, dice: Dice) -> None:
    inset = dice.between(1.5, 3.0)
    for side in (-1, 1):
        x = CENTRE + side * (torso.shoulder + 0.5)
        inner = CENTRE + side * (torso.shoulder - inset)
        canvas.cut(
            [(x, 0), (inner, 0), (inner, torso.chest_y * 0.6), (x, torso.chest_y)]
        )


def _hem_seam(canvas: Canvas, torso: Torso, dice: Dice) -> None:
    y = torso.hem_y - dice.between(0.8, 1.6)
    canvas.groove(level(torso.hem, y), 150)
