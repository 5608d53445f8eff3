"""Trousers: jeans, chinos, leggings, wide and flared legs."""

from components.garments import weaves
from components.garments.canvas import CENTRE, SIDE, Canvas, Pose, level, mirror, smooth
from components.garments.dice import Dice
from components.garments.light import Light
from components.garments.tones import shade

_TONES = (85, 125, 158, 178, 190, 205, 217, 225, 235)
_WEAVES: dict[weaves.Weave, int] = {
    weaves.plain: 7,
    weaves.washed: 6,
    weaves.melange: 1,
    weaves.pinstripes: 1,
    weaves.checks: 1,
    weaves.blotches: 1,
}


def draw_trouser(dice: Dice) -> tuple[Canvas, Light]:
    """A pair of trousers seen from the front."""
    canvas = Canvas(
        Pose(lean=dice.between(-0.03, 0.03), stretch=dice.between(0.9, 1.1))
    )
    cloth = weaves.choose(_WEAVES, _TONES, dice)
    waist = dice.between(3.5, 4.7)
    hip = waist + dice.between(0.4, 1.1)
    crotch = dice.between(7.5, 11)
    # Half the gap between the legs, at the knee and at the hem.
    gap = dice.between(0.4, 1.1), dice.between(0.4, 1.7)
    # From skinny to flared.
    cut = dice.weigh({-1.0: 2, -0.6: 2, -0.2: 2, 0.2: 1, 0.6: 1, 1.3: 1})
    knee = hip + min(0.0, 0.7 * cut)
    hem = hip + cut + dice.between(-0.3, 0.3)
    bottom = dice.between(26.6, 27.8)
    bow = dice.between(-0.2, 0.7)
    outside = smooth(
        [
            (CENTRE - waist, 0.3),
            (CENTRE - hip, crotch * 0.7),
            (CENTRE - knee - bow, 16.5),
            (CENTRE - hem, bottom),
        ]
    )
    inside = smooth(
        [
            (CENTRE - gap[1], bottom + dice.between(-0.3, 0.3)),
            (CENTRE - gap[0] - bow, 17),
            (CENTRE - gap[0] * 0.7, crotch + 2),
            (CENTRE - 0.12, crotch),
        ]
    )
    leg = [*outside, *inside]
    canvas.fill([*leg, *mirror(leg)], cloth)
    tone = cloth.tone
    if cloth.pattern is None and dice.chance(0.7):
        _fade(canvas, knee, tone, dice)
    _top(canvas, waist, crotch, tone, dice)
    if dice.chance(0.35):
        # Pressed creases.
        for sign in (-1, 1):
            x = CENTRE + sign * (gap[1] + hem) / 2
            canvas.groove(
                [(CENTRE + sign * hip * 0.5, crotch * 0.6), (x, bottom)], 60, 0.5
            )
    if dice.chance(0.3):
        _turn_up(canvas, gap[1], hem, bottom, tone, dice)
    return canvas, Light(
        rim=dice.between(0.3, 0.7),
        slope=dice.between(0.1, 0.6),
        folds=dice.between(0.05, 0.3),
        fold_cells=(dice.whole(6, 10), dice.whole(4, 9)),
        grain=dice.between(0.02, 0.1),
    )


def _fade(canvas: Canvas, knee: float, tone: int, dice: Dice) -> None:
    """Lighter denim along the front of both thighs; darker on the negative."""
    worn = shade(tone, -dice.between(15, 60))
    low = dice.between(15, 21)
    for sign in (-1, 1):
        middle = CENTRE + sign * knee * 0.52
        half = dice.between(0.6, 1.1)
        canvas.fill(
            smooth(
                [
                    (middle, 5),
                    (middle + half, 9),
                    (middle + half * 0.9, low - 3),
                    (middle, low),
                    (middle - half * 0.9, low - 3),
                    (middle - half, 9),
                    (middle, 5),
                ]
            ),
            worn,
            edge=255,
        )
        if dice.chance(0.2):
            y = dice.between(14, 18)
            tear = shade(tone, dice.pick((-140, 60)))
            canvas.line([(middle - 1, y), (middle + 1, y)], tear, dice.between(0.5, 1))


def _top(canvas: Canvas, waist: float, crotch: float, tone: int, dice: Dice) -> None:
    """Waistband, fly and pockets."""
    band = dice.between(1.2, 2.2)
    if dice.chance(0.8):
        canvas.groove([(CENTRE - waist - 0.3, band), (CENTRE + waist + 0.3, band)], 40)
    if dice.chance(0.25):
        strip = shade(tone, dice.between(-80, 40))
        canvas.line(level(waist, 0.9), strip, 1.2)
    if dice.chance(0.75):
        canvas.groove([(CENTRE, band), (CENTRE + 0.2, crotch)], 60)
        canvas.dot((CENTRE, band * 0.5), 0.4, shade(tone, dice.pick((-110, 60))))
    if dice.chance(0.75):
        drop = dice.between(2.0, 3.5)
        inner = waist * dice.between(0.45, 0.6)
        pocket = smooth(
            [
                (CENTRE - inner, band),
                (CENTRE - inner - 0.8, band + drop * 0.7),
                (CENTRE - waist - 0.6, band + drop),
            ]
        )
        for curve in (pocket, mirror(pocket)):
            canvas.groove(curve, 50)
            canvas.line(curve, shade(tone, dice.pick((-50, 30))), 0.3)
    if dice.chance(0.15):
        string = shade(tone, dice.pick((-120, 70)))
        canvas.line([(CENTRE - 0.5, band), (CENTRE - 0.8, band + 4)], string, 0.4)
        canvas.line([(CENTRE + 0.5, band), (CENTRE + 0.8, band + 3.5)], string, 0.4)


def _turn_up(
    canvas: Canvas, gap: float, hem: float, bottom: float, tone: int, dice: Dice
) -> None:
    height = dice.between(1, 2)
    band = [
        (CENTRE - hem, bottom - height),
        (CENTRE - gap, bottom - height),
        (CENTRE - gap, bottom),
        (CENTRE - hem, bottom),
    ]
    turned = shade(tone, dice.between(-60, 30))
    canvas.fill(band, turned)
    canvas.fill([(SIDE - x, y) for x, y in band], turned)
