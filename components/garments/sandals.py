"""Sandals: slides, thongs, straps, and high heels."""

from components.garments.canvas import Canvas, Pose, smooth
from components.garments.dice import Dice
from components.garments.last import Last
from components.garments.light import Light
from components.garments.tones import contrast, shade

_TONES = (60, 100, 130, 155, 175, 192, 205, 218, 235)


def draw_sandal(dice: Dice) -> tuple[Canvas, Light]:
    """An open shoe: a sole, a heel and straps with nothing between them."""
    canvas = Canvas(Pose(sag=dice.between(-0.02, 0.02)))
    tone = round(dice.along(_TONES))
    heeled = dice.chance(0.45)
    if heeled:
        heel = dice.between(5, 11)
        sole = dice.pick((dice.between(0.7, 1.2), dice.between(1.5, 3.5)))
        middle = (heel + sole + 8) / 2
        last = Last(
            toe=0.5 + 0.2 * (heel - 5),
            back=27.3 - 0.25 * (heel - 5),
            ground=min(27.5, 14.3 + middle + dice.between(-0.7, 0.7)),
            sole=sole,
            heel=heel,
        )
    else:
        last = Last(
            toe=dice.between(0.3, 0.8),
            back=dice.between(27.0, 27.7),
            ground=dice.between(18.5, 20.5),
            sole=dice.between(1.0, 2.6),
            heel=dice.between(0.0, 1.5),
            spring=dice.between(0.1, 0.8),
        )
    sole_tone = dice.pick((tone, shade(tone, -40), contrast(tone, dice)))
    if not heeled and dice.chance(0.2):
        _cage(canvas, last, tone, dice)
        _sole(canvas, last, heeled, sole_tone, dice)
    else:
        _sole(canvas, last, heeled, sole_tone, dice)
        _front(canvas, last, tone, dice)
        if heeled or dice.chance(0.6):
            _ankle(canvas, last, tone, dice)
    return canvas, Light(
        rim=dice.between(0.1, 0.4),
        folds=dice.between(0.1, 0.35),
        fold_cells=(8, 8),
        grain=dice.between(0.03, 0.12),
    )


def _sole(canvas: Canvas, last: Last, heeled: bool, tone: int, dice: Dice) -> None:
    if heeled:
        front = dice.pick((0.34, 0.76, 0.82, 0.9))
        taper = 0.0 if front < 0.5 else dice.between(0.0, 0.5)
        canvas.fill(last.block(front, taper), shade(tone, dice.between(-30, 30)))
        canvas.fill(last.plate(min(last.sole, 1.2)), tone)
        if last.sole > 1.4:
            platform = [
                last.above(0.0, 0),
                last.above(0.4, 0),
                (last.x(0.42), last.ground),
                (last.x(0.04), last.ground),
            ]
            canvas.fill(platform, tone)
        return
    bottom = [(last.x(1.0), last.ground), (last.x(0.03), last.ground)]
    canvas.fill([*last.floor, *bottom], tone)
    footbed = shade(tone, dice.pick((-60, 40)))
    canvas.line(last.floor, footbed, dice.between(0.4, 0.8))


def _front(canvas: Canvas, last: Last, tone: int, dice: Dice) -> None:
    """What holds the toes."""
    kind = dice.pick(("slide", "bands", "thong", "loop", "t-strap"))
    if kind == "slide":
        _bands(canvas, last, tone, 1, dice)
    elif kind == "bands":
        _bands(canvas, last, tone, dice.whole(2, 4), dice)
    elif kind == "thong":
        # A thong: from between the toes over the instep to both sides.
        knot = (0.17, 2.4)
        far = [knot, (0.36, 4.0), (0.6, 0.2)]
        near = [knot, (0.33, 2.2), (0.52, 0.0)]
        width = dice.between(0.9, 1.5)
        _strap(canvas, last, [(0.13, 0.0), knot], tone, width)
        _strap(canvas, last, far, shade(tone, -25), width)
        _strap(canvas, last, near, tone, width)
    elif kind == "loop":
        width = dice.between(1.2, 2.2)
        _strap(canvas, last, [(0.1, 0.0), (0.28, 3.6), (0.46, 5.2)], tone, width)
        _strap(canvas, last, [(0.46, 0.0), (0.34, 2.6), (0.2, 3.2)], tone, width)
        _strap(canvas, last, [(0.2, 3.2), (0.13, 1.2), (0.08, 0.0)], tone, width)
    else:
        _bands(canvas, last, tone, 1, dice)
        middle = [(0.25, 3.2), (0.42, 4.8), (0.6, 7.8)]
        _strap(canvas, last, middle, tone, dice.between(1.0, 2.0))


def _cage(canvas: Canvas, last: Last, tone: int, dice: Dice) -> None:
    """A closed upper with windows cut into it, as on walking sandals."""
    heel = dice.between(6, 8)
    upper = [(0.0, 0.8), (0.1, 3.2), (0.3, 4.6), (0.5, 7.2), (0.6, 7.0)]
    canvas.fill(last.upper([*upper, (0.78, heel - 2), (0.97, heel), (1.0, 0.3)]), tone)
    canvas.fill(
        [last.above(0.53, 6.4), last.above(0.78, heel - 2.6), last.above(0.95, heel)],
        shade(tone, -60),
    )
    start = dice.between(0.1, 0.16)
    count = dice.whole(2, 4)
    step = (0.86 - start) / count
    for index in range(count):
        left = start + step * index
        right = left + step * dice.between(0.5, 0.7)
        top = _instep((left + right) / 2) * dice.between(0.6, 0.75)
        canvas.cut(
            [
                last.above(left, 0.9),
                last.above(left + 0.05, top),
                last.above(right + 0.03, top),
                last.above(right, 0.9),
            ]
        )


def _bands(canvas: Canvas, last: Last, tone: int, count: int, dice: Dice) -> None:
    """Straps over the foot; each leans back as it rises to the instep."""
    start = dice.between(0.06, 0.14)
    end = dice.between(0.36, 0.52)
    pitch = (end - start) / count
    lean = dice.between(0.0, 0.08)
    for index in range(count):
        left = start + pitch * index
        right = left + pitch * (dice.between(0.6, 0.75) if count > 1 else 1.0)
        top = [
            (share + lean, _instep(share + lean))
            for share in (left, (left + right) / 2, right)
        ]
        outline = [(left, 0.0), *smooth(top), (right, 0.0)]
        band = shade(tone, dice.between(-30, 20))
        canvas.fill([last.above(*place) for place in outline], band)
        if dice.chance(0.2):
            stud = last.above((left + right) / 2 + lean / 2, 2.0)
            canvas.dot(stud, 0.6, contrast(tone, dice))


def _ankle(canvas: Canvas, last: Last, tone: int, dice: Dice) -> None:
    """What holds the heel: a sling, or a counter and straps around the ankle."""
    width = dice.between(0.9, 1.8)
    height = dice.between(5.5, 9.5)
    kind = dice.pick(("sling", "loop", "side", "rungs"))
    if kind == "sling":
        sling = [(0.42, 1.2), (0.72, 4.0), (1.0, height * 0.7)]
        _strap(canvas, last, sling, tone, width)
        _strap(canvas, last, [(1.0, height * 0.7), (0.97, 0.0)], tone, width)
        return
    counter = [(0.94, 0.0), (0.97, height * 0.5), (0.99, height)]
    _strap(canvas, last, counter, tone, dice.between(1.2, 3.0))
    far = [(0.99, height), (0.8, height + 1.2), (0.63, height + 2.2)]
    _strap(canvas, last, far, shade(tone, -30), width * 0.7)
    near = [(0.99, height), (0.8, height - 0.6), (0.63, height + 1.2)]
    _strap(canvas, last, near, tone, width)
    if kind == "side":
        side = [(0.5, 0.6), (0.58, height * 0.6), (0.66, height + 0.8)]
        _strap(canvas, last, side, tone, width)
    elif kind == "rungs":
        for step in (0.25, 0.6):
            rung = [(0.98, height * step), (0.7, height * step + 0.4)]
            rung.append((0.5, height * step + 2.0))
            _strap(canvas, last, rung, tone, width)
    if dice.chance(0.5):
        canvas.dot(last.above(0.82, height - 0.4), 0.7, contrast(tone, dice))


def _strap(
    canvas: Canvas,
    last: Last,
    places: list[tuple[float, float]],
    tone: int,
    width: float,
) -> None:
    canvas.strap(smooth([last.above(*place) for place in places]), tone, width)


def _instep(share: float) -> float:
    """Returns how high the top of the foot lies above the bed."""
    if share < 0.12:
        return 1.2 + 15 * share
    if share < 0.4:
        return 3.0 + 6 * (share - 0.12)
    return 4.7 + 16 * (share - 0.4)
