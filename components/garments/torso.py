"""The body and the sleeves that tops, coats and dresses share."""

import math
from dataclasses import dataclass, replace

from components.garments.canvas import CENTRE, Canvas, Cloth, Point, mirror, smooth
from components.garments.dice import Dice


@dataclass(frozen=True)
class Torso:
    """Half widths from the centre line, and the heights they belong to."""

    top: float
    neck: float
    shoulder: float
    shoulder_y: float
    chest: float
    chest_y: float
    waist: float
    waist_y: float
    hem: float
    hem_y: float
    hem_curve: float = 0.0

    def draw(self, canvas: Canvas, cloth: Cloth) -> None:
        """Covers the body, the neckline left straight."""
        side = smooth(
            [
                (CENTRE - self.chest, self.chest_y),
                (CENTRE - self.waist, self.waist_y),
                (CENTRE - self.hem, self.hem_y),
            ]
        )
        left = [
            (CENTRE - self.neck, self.top),
            (CENTRE - self.shoulder, self.shoulder_y),
            *side,
        ]
        hem = smooth(
            [
                (CENTRE - self.hem, self.hem_y),
                (CENTRE - self.hem * 0.5, self.hem_y + self.hem_curve * 0.7),
                (CENTRE, self.hem_y + self.hem_curve),
            ]
        )
        canvas.fill([*left, *hem, *mirror(hem), *mirror(left)], cloth)

    def half_width(self, y: float) -> float:
        """Returns the half width of the body at a height below the chest."""
        if y < self.waist_y:
            share = (y - self.chest_y) / (self.waist_y - self.chest_y)
            return self.chest + share * (self.waist - self.chest)
        share = (y - self.waist_y) / (self.hem_y - self.waist_y)
        return self.waist + share * (self.hem - self.waist)


@dataclass(frozen=True)
class Sleeve:
    """A sleeve, from the shoulder to its cuff, in picture pixels.

    Attributes:
        length: From the shoulder to the outer end of the cuff.
        out: How far the cuff lies outside the shoulder; below `length`.
        cuff: Width at the cuff.
        bow: How far the elbow bends outwards.
        puff: How far the cap stands above the shoulder.
    """

    length: float
    out: float
    cuff: float
    bow: float = 0.0
    puff: float = 0.0

    def draw(self, canvas: Canvas, torso: Torso, cloth: Cloth, right: bool) -> None:
        """Covers one sleeve."""
        outline = self._outline(torso)
        canvas.fill(mirror(outline) if right else outline, cloth)

    def band(self, torso: Torso, share: float) -> list[Point]:
        """Returns the strip nearest the cuff, `share` of the sleeve long."""
        shoulder, outer, inner, armpit = self._corners(torso)
        return [
            outer,
            _towards(outer, shoulder, share),
            _towards(inner, armpit, share),
            inner,
        ]

    def _outline(self, torso: Torso) -> list[Point]:
        shoulder, outer, inner, armpit = self._corners(torso)
        elbow = _towards(shoulder, outer, 0.5)
        crook = _towards(armpit, inner, 0.5)
        over = smooth(
            [
                (shoulder[0] + 1.2, shoulder[1] - 0.5),
                (shoulder[0] - 0.35 - self.puff, shoulder[1] + 0.5 - 0.4 * self.puff),
                (elbow[0] - self.bow, elbow[1]),
                outer,
            ]
        )
        under = smooth([inner, (crook[0] - self.bow * 0.8, crook[1]), armpit])
        return [*over, *under]

    def _corners(self, torso: Torso) -> tuple[Point, Point, Point, Point]:
        """Returns shoulder, outer cuff, inner cuff and armpit of the left sleeve."""
        shoulder = (CENTRE - torso.shoulder, torso.shoulder_y)
        along_x = self.out / self.length
        along_y = math.sqrt(1 - along_x * along_x)
        outer = (shoulder[0] - self.out, shoulder[1] + self.length * along_y)
        inner = (outer[0] + self.cuff * along_y, outer[1] + self.cuff * along_x)
        armpit = (CENTRE - torso.chest + 0.4, torso.chest_y)
        return shoulder, outer, inner, armpit


def draw_sleeves(
    canvas: Canvas, torso: Torso, sleeve: Sleeve, cloth: Cloth, dice: Dice
) -> None:
    """Covers both sleeves, the right one bent a little differently."""
    sleeve.draw(canvas, torso, cloth, right=False)
    other = replace(sleeve, out=sleeve.out * dice.between(0.93, 1.0))
    other.draw(canvas, torso, cloth, right=True)


def long_sleeve(dice: Dice, reach: float = 24) -> Sleeve:
    """Returns a sleeve that hangs down about `reach` from the shoulder."""
    return Sleeve(
        length=dice.between(reach - 1.5, reach + 1.5),
        out=dice.between(2.0, 4.2),
        cuff=dice.between(2.3, 3.1),
        bow=dice.between(0.2, 1.5),
        puff=dice.between(0, 0.4),
    )


def _towards(start: Point, end: Point, share: float) -> Point:
    return (
        start[0] + share * (end[0] - start[0]),
        start[1] + share * (end[1] - start[1]),
    )
