"""Sneakers."""

from components.garments import weaves
from components.garments.canvas import Canvas, Pose, smooth
from components.garments.dice import Dice
from components.garments.last import Last
from components.garments.light import Light
from components.garments.tones import contrast, shade

_TONES = (60, 95, 128, 148, 162, 178, 189, 202, 220)
_WEAVES: dict[weaves.Weave, int] = {
    weaves.plain: 7,
    weaves.melange: 1,
    weaves.washed: 1,
    weaves.blotches: 1,
}


def draw_sneaker(dice: Dice) -> tuple[Canvas, Light]:
    """A low or a high sneaker."""
    canvas = Canvas(Pose(sag=dice.between(-0.02, 0.02)))
    cloth = weaves.choose(_WEAVES, _TONES, dice)
    tone = cloth.tone
    last = Last(
        toe=dice.between(0.3, 0.9),
        back=dice.between(27.0, 27.7),
        ground=dice.between(18.8, 21.5),
        sole=dice.between(1.0, 2.4),
        heel=dice.between(0.0, 1.2),
        spring=dice.between(0.2, 1.2),
    )
    high = dice.between(3.5, 7) if dice.chance(0.2) else dice.between(-1.2, 0.8)
    toe = dice.between(2.6, 3.8)
    throat = dice.between(5.4, 6.8)
    tongue = 8.6 + high + dice.between(0.3, 1.2)
    collar = 6.4 + 0.9 * high
    upper = last.upper(
        [
            (0.0, 0.6),
            (0.03, toe * 0.7),
            (0.13, toe),
            (0.32, throat),
            (0.45, 0.75 * tongue),
            (0.56, tongue),
            (0.63, tongue - 0.9),
            (0.76, collar),
            (0.94, 8.2 + high),
            (0.985, 7.4 + high),
            (0.965, 4.0),
            (1.0, 0.4),
        ]
    )
    canvas.fill(upper, cloth)
    _opening(canvas, last, tongue, collar, high, tone, dice)
    _panels(canvas, last, toe, tone, dice)
    _side_mark(canvas, last, tone, dice)
    _laces(canvas, last, throat, tongue, tone, dice)
    _sole(canvas, last, tone, dice)
    return canvas, Light(
        rim=dice.between(0.3, 0.7),
        slope=dice.between(0.1, 0.5),
        folds=dice.between(0.1, 0.35),
        fold_cells=(dice.whole(5, 9), dice.whole(5, 9)),
        grain=dice.between(0.03, 0.12),
    )


def _opening(
    canvas: Canvas,
    last: Last,
    tongue: float,
    collar: float,
    high: float,
    tone: int,
    dice: Dice,
) -> None:
    """The lining seen at the ankle, and the padded collar in front of it."""
    lining = shade(tone, dice.between(-90, 40))
    canvas.fill(
        [
            last.above(0.6, tongue - 1.0),
            last.above(0.93, 7.9 + high),
            last.above(0.76, collar - 0.2),
        ],
        lining,
    )
    canvas.groove(
        smooth(
            [
                last.above(0.56, collar - 0.6),
                last.above(0.76, collar - 1.3),
                last.above(0.96, 6.6 + high),
            ]
        ),
        90,
    )


def _panels(canvas: Canvas, last: Last, toe: float, tone: int, dice: Dice) -> None:
    """Toe cap, heel counter and mudguard."""
    if dice.chance(0.5):
        cap = [
            last.above(0.0, 0.3),
            last.above(0.03, toe * 0.65),
            last.above(0.14, toe - 0.3),
            last.above(0.2, 1.5),
            last.above(0.24, 0),
        ]
        canvas.fill(smooth(cap), shade(tone, dice.between(-60, 50)))
    if dice.chance(0.6):
        counter = [
            last.above(0.8, 0),
            last.above(0.85, 3.4),
            last.above(0.96, 5.5),
            last.above(0.965, 4.0),
            last.above(1.0, 0.3),
        ]
        patch = dice.pick((shade(tone, dice.between(-50, 50)), contrast(tone, dice)))
        canvas.fill(counter, patch)
    if dice.chance(0.5):
        guard = [last.above(s, h) for s, h in ((0.1, 1.6), (0.35, 1.9), (0.8, 1.5))]
        canvas.groove(smooth(guard), 60)


def _side_mark(canvas: Canvas, last: Last, tone: int, dice: Dice) -> None:
    """Stripes, a swoosh, a band or ribs on the side."""
    kind = dice.pick(("stripes", "swoosh", "band", "ribs", "none"))
    mark = contrast(tone, dice, 60)
    if kind == "stripes":
        for index in range(3):
            share = 0.42 + 0.085 * index
            ends = [last.above(share, 5.3 - 0.3 * index), last.above(share + 0.09, 0.5)]
            canvas.line(ends, mark, 0.8)
    elif kind == "swoosh":
        swoosh = [
            last.above(0.38, 3.6),
            last.above(0.42, 1.6),
            last.above(0.55, 2.2),
            last.above(0.88, 5.2),
            last.above(0.55, 3.2),
        ]
        canvas.fill(smooth([*swoosh, swoosh[0]]), mark, edge=255)
    elif kind == "band":
        band = [last.above(0.45, 5.5), last.above(0.6, 0.4)]
        canvas.line(band, mark, dice.between(1, 2))
    elif kind == "ribs":
        for start in (0.4, 0.5, 0.6):
            ends = [last.above(start, 1), last.above(start + 0.1, 4.6)]
            canvas.groove(ends, 40, 0.6)


def _laces(
    canvas: Canvas, last: Last, throat: float, tongue: float, tone: int, dice: Dice
) -> None:
    if dice.chance(0.2):
        return
    lace = shade(tone, dice.pick((-130, -80, 60, 100)))
    rows = dice.whole(3, 5)
    for row in range(rows):
        share = 0.34 + 0.19 * row / (rows - 1)
        top = throat + (0.9 * tongue - throat) * row / (rows - 1)
        ends = [last.above(share, top + 0.2), last.above(share + 0.06, top - 1.5)]
        canvas.line(ends, lace, 0.5)
    canvas.groove([last.above(0.36, throat - 1.4), last.above(0.6, tongue - 2.4)], 70)


def _sole(canvas: Canvas, last: Last, tone: int, dice: Dice) -> None:
    """The rubber, often white: all but black on the negative."""
    rubber = dice.pick(
        (dice.whole(14, 50), dice.whole(14, 50), dice.whole(60, 230), shade(tone, 25))
    )
    lifted = last.ground - last.spring
    sole = [
        (last.x(-0.01), last.bed(0) - 0.4),
        last.above(0.2, 0.5),
        last.above(0.6, 0.2),
        last.above(0.9, 0.5),
        (last.x(1.01), last.bed(1) - 0.5),
        (last.x(1.0), last.ground),
        (last.x(0.15), last.ground),
        (last.x(0.02), lifted),
    ]
    canvas.fill(sole, rubber)
    if dice.chance(0.6):
        tread = [(last.x(0.01), lifted), (last.x(0.15), last.ground - 0.2)]
        tread.append((last.x(1.0), last.ground - 0.2))
        canvas.line(tread, dice.whole(90, 230), 0.6)
    if dice.chance(0.3):
        y = last.ground - (last.sole + 0.6) / 2
        stripe = shade(rubber, dice.pick((-80, 90)))
        canvas.line([(last.x(0.1), y), (last.x(0.98), y)], stripe, 0.4)
