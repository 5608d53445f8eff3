"""Bags: totes, satchels, clutches, shoulder bags, holdalls and bucket bags."""

from dataclasses import dataclass

from components.garments import weaves
from components.garments.canvas import (
    CENTRE,
    Canvas,
    Point,
    Pose,
    level,
    mirror,
    smooth,
    symmetric,
)
from components.garments.dice import Dice
from components.garments.light import Light
from components.garments.tones import contrast, shade

_TONES = (70, 120, 153, 172, 188, 199, 208, 216, 228)
_WEAVES: dict[weaves.Weave, int] = {
    weaves.plain: 8,
    weaves.washed: 3,
    weaves.melange: 1,
    weaves.checks: 1,
    weaves.blocks: 1,
    weaves.blotches: 1,
}


@dataclass(frozen=True)
class _Body:
    """Half widths at the top, the middle and the bottom, and where those are."""

    upper: float
    belly: float
    lower: float
    top: float
    bottom: float

    def outline(self) -> list[Point]:
        """Returns the outline, its corners rounded off."""
        middle = (self.top + self.bottom) / 2
        side = smooth(
            [
                (CENTRE - self.upper, self.top + 0.6),
                (CENTRE - self.belly, middle),
                (CENTRE - self.lower, self.bottom - 0.8),
            ]
        )
        left = [
            (CENTRE - self.upper + 0.6, self.top),
            *side,
            (CENTRE - self.lower + 0.8, self.bottom),
        ]
        return symmetric(left)


def draw_bag(dice: Dice) -> tuple[Canvas, Light]:
    """A bag seen from the front."""
    canvas = Canvas(Pose(lean=dice.between(-0.03, 0.03), sag=dice.between(-0.03, 0.03)))
    cloth = weaves.choose(_WEAVES, _TONES, dice)
    kinds = {_tote: 2, _satchel: 1, _clutch: 1, _shoulder: 1, _holdall: 1, _bucket: 1}
    kind = dice.weigh(kinds)
    body = kind(canvas, cloth.tone, dice)
    canvas.fill(body.outline(), cloth)
    if kind in (_satchel, _shoulder, _clutch) and dice.chance(0.65):
        _flap(canvas, body, cloth.tone, dice)
    else:
        _zip(canvas, body, cloth.tone, dice)
    _trim(canvas, body, cloth.tone, dice)
    return canvas, Light(
        rim=dice.between(0.3, 0.8),
        slope=dice.between(0.1, 0.6),
        folds=dice.between(0.1, 0.4),
        fold_cells=(dice.whole(3, 7), dice.whole(3, 7)),
        grain=dice.between(0.02, 0.1),
    )


def _tote(canvas: Canvas, tone: int, dice: Dice) -> _Body:
    """A tall bag with handles, wider or narrower at the top."""
    top = dice.between(8, 13)
    upper = dice.between(8, 13)
    lower = upper - dice.between(-2.5, 3)
    body = _Body(upper, (upper + lower) / 2 + dice.between(0, 0.6), lower, top, 27.3)
    _handle(canvas, body, dice.between(0.3, 1.5), tone, dice)
    return body


def _satchel(canvas: Canvas, tone: int, dice: Dice) -> _Body:
    """A box of a bag, with or without a handle."""
    top = dice.between(5, 9)
    half = dice.between(10, 13.4)
    bottom = dice.between(22, 25.5)
    body = _Body(
        half, half + dice.between(0, 0.5), half - dice.between(-0.3, 1), top, bottom
    )
    if dice.chance(0.6):
        _handle(canvas, body, top - dice.between(2.5, 5), tone, dice)
    return body


def _clutch(canvas: Canvas, tone: int, dice: Dice) -> _Body:
    """A flat bag to hold in the hand, at times with a loop."""
    top = dice.between(7, 10)
    half = dice.between(12.5, 13.7)
    body = _Body(half, half, half - dice.between(0, 0.5), top, 32 - top)
    if dice.chance(0.35):
        loop = [
            (CENTRE - half + 0.5, top + 2),
            (CENTRE - half - 0.2, top + 7),
            (CENTRE - half + 2.5, top + 11),
        ]
        canvas.strap(smooth(loop), shade(tone, -20), 0.8)
    return body


def _shoulder(canvas: Canvas, tone: int, dice: Dice) -> _Body:
    """A small bag on a long strap."""
    half = dice.between(5, 9.5)
    top = dice.between(13, 17)
    body = _Body(
        half, half + dice.between(0, 0.8), half - dice.between(-0.5, 1), top, 27.3
    )
    _handle(canvas, body, 0.4, tone, dice, width=dice.between(0.5, 0.9))
    return body


def _holdall(canvas: Canvas, tone: int, dice: Dice) -> _Body:
    """A wide travelling bag."""
    top = dice.between(9, 12)
    half = dice.between(12, 13.6)
    body = _Body(half - dice.between(2, 5), half, half - dice.between(0.5, 2), top, 24)
    _handle(canvas, body, top - dice.between(3, 7), tone, dice)
    return body


def _bucket(canvas: Canvas, tone: int, dice: Dice) -> _Body:
    """A slouching hobo or bucket bag."""
    top = dice.between(9, 12)
    half = dice.between(9, 12.5)
    body = _Body(half - dice.between(2, 5), half, half - dice.between(2, 4), top, 27.2)
    _handle(
        canvas, body, dice.between(0.3, 2), tone, dice, width=dice.between(0.9, 1.8)
    )
    return body


def _handle(
    canvas: Canvas,
    body: _Body,
    peak: float,
    tone: int,
    dice: Dice,
    width: float | None = None,
) -> None:
    """An arch over the bag, with its fellow behind it at times."""
    width = width or dice.between(0.8, 1.4)
    foot = body.upper * dice.between(0.45, 0.85)
    shoulder = foot * dice.between(0.55, 0.95)
    left = [
        (CENTRE - foot, body.top + 0.6),
        (CENTRE - shoulder, peak + 0.35 * (body.top - peak)),
        (CENTRE - shoulder * 0.45, peak + 0.05 * (body.top - peak)),
        (CENTRE, peak),
    ]
    arch = smooth([*left, *mirror(left)[1:]])
    colour = shade(tone, dice.between(-40, 30))
    if dice.chance(0.4):
        behind = [(x + 0.9, y + 0.8) for x, y in arch]
        canvas.strap(behind, shade(colour, -40), width)
    canvas.strap(arch, colour, width)


def _flap(canvas: Canvas, body: _Body, tone: int, dice: Dice) -> None:
    drop = body.top + (body.bottom - body.top) * dice.between(0.4, 0.75)
    point = dice.pick((0.0, 0.6, 2.5))
    left = [
        (CENTRE - body.upper, body.top),
        (CENTRE - body.belly + 0.3, drop - point - 0.5),
        (CENTRE - body.belly * 0.6, drop - point * 0.5),
        (CENTRE, drop),
    ]
    canvas.fill(symmetric(left), shade(tone, dice.between(-25, 25)))
    clasp = contrast(tone, dice, 70)
    canvas.line([(CENTRE, drop - 1.5), (CENTRE, drop + 0.8)], clasp, 1.4)


def _zip(canvas: Canvas, body: _Body, tone: int, dice: Dice) -> None:
    seam = level(min(body.upper, body.lower), body.top + dice.between(1, 2.5))
    canvas.groove(seam, 30, 0.6)
    if dice.chance(0.4):
        canvas.line(seam, shade(tone, dice.between(-70, 40)), 0.6)


def _trim(canvas: Canvas, body: _Body, tone: int, dice: Dice) -> None:
    """Pocket, border, belts, badge and tag, each on some bags only."""
    half = min(body.upper, body.lower)
    middle = (body.top + body.bottom) / 2
    if dice.chance(0.35):
        y = middle + dice.between(0, 2)
        pocket = half * dice.between(0.5, 0.85)
        left, right = level(pocket, y)
        low_left, low_right = level(pocket, body.bottom - 1)
        canvas.groove([low_left, left, right, low_right], 50, 0.6)
    if dice.chance(0.25):
        border = level(half, body.bottom - dice.between(1, 3))
        canvas.line(border, contrast(tone, dice, 30), dice.between(0.6, 2))
    if dice.chance(0.25):
        belt = shade(tone, dice.between(-60, 40))
        offset = half * dice.between(0.45, 0.7)
        for x in (CENTRE - offset, CENTRE + offset):
            canvas.strap([(x, body.top), (x, body.bottom)], belt, 1.0)
    if dice.chance(0.3):
        badge = level(1.2, middle - dice.between(0, 3))
        canvas.line(badge, contrast(tone, dice, 60), dice.between(0.8, 1.6))
    if dice.chance(0.15):
        x = CENTRE + dice.between(-4, 4)
        tag = [(x, body.top + 1), (x + 0.4, body.top + 5)]
        canvas.strap(tag, contrast(tone, dice), 1)
