"""Ankle boots."""

from components.garments import weaves
from components.garments.canvas import SIDE, Canvas, Pose, smooth
from components.garments.dice import Dice
from components.garments.last import Last
from components.garments.light import Light
from components.garments.tones import shade

_TONES = (95, 140, 169, 183, 194, 203, 210, 220, 234)
_WEAVES: dict[weaves.Weave, int] = {
    weaves.plain: 6,
    weaves.washed: 5,
    weaves.melange: 1,
}


def draw_boot(dice: Dice) -> tuple[Canvas, Light]:
    """An ankle boot on a flat, block, thin or wedge heel."""
    canvas = Canvas(Pose(lean=dice.between(-0.02, 0.02), sag=dice.between(-0.02, 0.02)))
    cloth = weaves.choose(_WEAVES, _TONES, dice)
    tone = cloth.tone
    heel = dice.pick(
        (dice.between(0.4, 1.8), dice.between(1.5, 3.5), dice.between(4, 8))
    )
    short = 0.45 * max(0.0, heel - 2)
    shaft = dice.between(13.5, 18.5) - 0.35 * heel
    sole = dice.between(0.7, 1.8)
    height = shaft + heel + sole
    ground = min(27.6, SIDE / 2 + height / 2 + dice.between(0, 1))
    last = Last(
        toe=0.4 + short,
        back=27.2 - short,
        ground=ground,
        sole=sole,
        heel=heel,
        spring=dice.between(0.1, 0.7),
    )
    toe = dice.between(2.4, 3.8)
    front = dice.between(0.44, 0.54)
    slope = dice.between(-0.03, 0.04)
    upper = last.upper(
        [
            (0.0, 0.4),
            (0.04, toe * 0.75),
            (0.15, toe),
            (0.3, toe + dice.between(1.2, 2.2)),
            (front - 0.03, 8.5),
            (front + slope * 0.5, 11),
            (front + slope, shaft + dice.between(-0.6, 0.6)),
            (0.99, shaft),
            (0.955, shaft * 0.45),
            (1.0, 2.6),
            (0.985, 0.2),
        ]
    )
    canvas.fill(upper, cloth)
    _details(canvas, last, front, shaft, toe, tone, dice)
    _sole(canvas, last, heel, tone, dice)
    return canvas, Light(
        rim=dice.between(0.3, 0.7),
        slope=dice.between(0.2, 0.8),
        folds=dice.between(0.15, 0.5),
        fold_cells=(dice.whole(4, 8), dice.whole(4, 8)),
        grain=dice.between(0.03, 0.1),
    )


def _details(
    canvas: Canvas,
    last: Last,
    front: float,
    shaft: float,
    toe: float,
    tone: int,
    dice: Dice,
) -> None:
    """Elastic, laces, buckles or a zip; cap, counter and cuff."""
    kind = dice.pick(("elastic", "laces", "buckles", "zip", "none"))
    if kind == "elastic":
        elastic = [
            last.above(0.62, shaft),
            last.above(0.66, 6.5),
            last.above(0.73, 5.5),
            last.above(0.79, 6.5),
            last.above(0.85, shaft),
        ]
        canvas.fill(elastic, shade(tone, dice.pick((-70, -35, 35))))
    elif kind == "laces":
        lace = shade(tone, dice.pick((-120, -70, 70)))
        row = 5.0
        while row < shaft - 1:
            share = front + 0.02 - 0.1 * max(0.0, 9 - row) / 4
            ends = [last.above(share, row + 0.6), last.above(share + 0.12, row)]
            canvas.line(ends, lace, 0.5)
            row += 1.9
        canvas.groove([last.above(0.42, 4.5), last.above(front + 0.16, shaft)], 60)
    elif kind == "buckles":
        for height in (5.5, 9.5)[: dice.whole(1, 2)]:
            band = shade(tone, dice.between(-60, 40))
            ends = [last.above(front - 0.04, height + 1.5), last.above(0.97, height)]
            canvas.strap(ends, band, dice.between(1, 1.6))
            buckle = shade(tone, dice.pick((-140, 60)))
            canvas.dot(last.above(0.75, height + 0.6), 0.8, buckle)
    elif kind == "zip":
        share = dice.between(0.68, 0.8)
        ends = [last.above(share, 1), last.above(share - 0.02, shaft)]
        canvas.line(ends, shade(tone, dice.pick((-80, 50))), 0.5)
        canvas.groove(ends, 40, 0.8)
    if dice.chance(0.35):
        cap = [last.above(0.14, toe), last.above(0.2, 1.8), last.above(0.22, 0)]
        canvas.groove(smooth(cap), 40, 0.6)
    if dice.chance(0.4):
        vamp = [last.above(0.4, 0), last.above(0.48, 4), last.above(front, 9)]
        canvas.groove(smooth(vamp), 50, 0.6)
    if dice.chance(0.3):
        cuff = [
            last.above(front, shaft - 2),
            last.above(front, shaft + 0.4),
            last.above(0.99, shaft + 0.2),
            last.above(0.98, shaft - 2),
        ]
        canvas.fill(cuff, shade(tone, dice.between(-50, 30)))
    # Soft creases where the foot bends.
    for _ in range(dice.whole(0, 3)):
        share = dice.between(0.3, 0.45)
        height = dice.between(2, 4)
        ends = [last.above(share, height), last.above(share + 0.1, height + 1.4)]
        canvas.groove(ends, 130, 0.7)


def _sole(canvas: Canvas, last: Last, heel: float, tone: int, dice: Dice) -> None:
    rubber = dice.pick((shade(tone, 30), shade(tone, -60), dice.whole(30, 230)))
    if heel > 4:
        front = dice.pick((0.72, 0.8, 0.86, 0.35))
    else:
        front = dice.pick((0.62, 0.7, 0.3))
    taper = dice.between(0.0, 0.35) if front > 0.5 else 0.0
    canvas.fill(last.plate(last.sole), rubber)
    canvas.fill(last.block(front, taper), rubber)
    canvas.groove(last.floor, 30, 0.6)
