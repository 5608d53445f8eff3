"""Coats and jackets."""

from components.garments import necklines, weaves
from components.garments.canvas import CENTRE, Canvas, Cloth, level
from components.garments.dice import Dice
from components.garments.light import Light
from components.garments.tones import contrast, shade
from components.garments.torso import Torso, draw_sleeves, long_sleeve
from components.garments.trimmings import hanging, rib

_TONES = (60, 115, 157, 178, 194, 205, 214, 222, 232)

_WEAVES: dict[weaves.Weave, int] = {
    weaves.plain: 8,
    weaves.melange: 2,
    weaves.washed: 2,
    weaves.checks: 1,
    weaves.blotches: 1,
}


def draw_coat(dice: Dice) -> tuple[Canvas, Light]:
    """A jacket or a coat, closed or open, quilted or not."""
    canvas = Canvas(hanging(dice))
    cloth = weaves.choose(_WEAVES, _TONES, dice)
    long = dice.chance(0.45)
    chest = dice.between(4.4, 5.6) if long else dice.between(5.4, 6.8)
    hooded = dice.chance(0.3)
    torso = Torso(
        top=2.2 if hooded else 0.6,
        neck=dice.between(2.0, 3.0),
        shoulder=chest + dice.between(-0.2, 0.5),
        shoulder_y=dice.between(1.8, 2.8) + hooded * 1.5,
        chest=chest,
        chest_y=dice.between(8, 10),
        waist=chest - dice.between(0.0, 0.9),
        waist_y=15,
        hem=chest + (dice.between(0.3, 2.2) if long else dice.between(-0.6, 0.4)),
        hem_y=27.5 if long else dice.between(24.5, 27.6),
        hem_curve=dice.between(-0.3, 0.3),
    )
    sleeve = long_sleeve(dice, 19 if long else 23)
    own = Cloth(contrast(cloth.tone, dice, 35)) if dice.chance(0.08) else cloth
    draw_sleeves(canvas, torso, sleeve, own, dice)
    torso.draw(canvas, cloth)
    tone = cloth.tone
    if dice.chance(0.22):
        _quilting(canvas, torso, dice)
    if dice.chance(0.7):
        _pockets(canvas, torso, tone, dice)
    closing = 2.0
    if hooded:
        necklines.hood(canvas, torso.neck + 1.4, dice.between(4.5, 6.5), cloth, dice)
        closing = 5.5
    elif dice.chance(0.4):
        closing = dice.between(5, 12)
        necklines.lapels(canvas, torso.neck, closing, tone, dice)
    elif dice.chance(0.5):
        necklines.collar(canvas, torso.neck, dice.between(2.5, 4), tone, dice)
        closing = 2.5
    else:
        necklines.turtle(canvas, torso.neck, dice.between(2, 3), cloth, dice)
    _front(canvas, torso, closing, tone, dice)
    if long and dice.chance(0.35):
        _belt(canvas, torso, tone, dice)
    elif dice.chance(0.4):
        rib(canvas, torso, sleeve, shade(tone, dice.between(-60, 20)), dice)
    return canvas, Light(
        rim=dice.between(0.6, 1.0),
        folds=dice.between(0.08, 0.35),
        fold_cells=(dice.whole(4, 7), dice.whole(4, 7)),
        grain=dice.between(0.02, 0.09),
    )


def _quilting(canvas: Canvas, torso: Torso, dice: Dice) -> None:
    """Seams all the way across, sleeves included, as on a down jacket."""
    step = dice.between(2.2, 3.6)
    y = 4 + dice.between(0, step)
    while y < torso.hem_y - 1:
        canvas.groove([(2, y + 0.8), (CENTRE, y), (26, y + 0.8)], 30, 0.6)
        y += step


def _pockets(canvas: Canvas, torso: Torso, tone: int, dice: Dice) -> None:
    y = dice.between(16, 20)
    width = dice.between(1.8, 2.6)
    slant = dice.between(-0.3, 1.6)
    line = shade(tone, dice.pick((-70, -40, 40)))
    for side in (-1, 1):
        x = CENTRE + side * (torso.half_width(y) - 0.8)
        ends = [(x, y + slant), (x - side * width, y)]
        canvas.line(ends, line, dice.between(0.4, 0.9))
        canvas.groove([(a, b + 0.5) for a, b in ends], 60)


def _front(canvas: Canvas, torso: Torso, top: float, tone: int, dice: Dice) -> None:
    """The closing of a coat: a zip, buttons, or left open."""
    bottom = torso.hem_y + torso.hem_curve
    kind = dice.weigh({"zip": 4, "buttons": 3, "open": 1})
    if kind == "open":
        spread = dice.between(0.6, 1.6)
        canvas.cut([(CENTRE, top), (CENTRE - spread, 28), (CENTRE + spread, 28)])
        return
    overlap = dice.between(-0.4, 0.8)
    canvas.groove([(CENTRE + overlap, top), (CENTRE + overlap, bottom)], 20, 0.7)
    if kind == "zip":
        zip_tone = shade(tone, dice.pick((-110, -70, 60)))
        canvas.line([(CENTRE, top), (CENTRE, bottom)], zip_tone, dice.between(0.4, 0.9))
        return
    button = shade(tone, dice.pick((-130, -80, 80)))
    columns = dice.pick(((0.0,), (0.0,), (-1.6, 1.6)))
    step = dice.between(3, 5)
    y = top + 1.2
    while y < bottom - 4:
        for x in columns:
            canvas.dot((CENTRE + x, y), dice.between(0.35, 0.5), button)
        y += step


def _belt(canvas: Canvas, torso: Torso, tone: int, dice: Dice) -> None:
    y = torso.waist_y + dice.between(-1, 1)
    half = torso.waist + 0.2
    band = shade(tone, dice.between(-70, 50))
    canvas.strap(level(half, y), band, dice.between(1, 1.6))
    canvas.dot((CENTRE, y), 0.7, shade(tone, dice.pick((-100, 60))))
