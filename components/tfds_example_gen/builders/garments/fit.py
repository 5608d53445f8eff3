"""Maps the drawn size of a pattern to the size of one garment."""

from dataclasses import dataclass

from .canvas import Point
from .dice import Dice, Leeway

_GROUND = 28
_FOOT = 27


@dataclass(frozen=True)
class Grading:
    """How garments of one pattern vary in size, in pattern units.

    Attributes:
        rows: For some of the drawn heights, in ascending order: the height each maps
            to, and the width there relative to the drawn one.
        size: Overall width, relative to the drawn one.
        sole: Thickness of a shoe's sole under the ball of the foot; 0 if not a shoe.
        heel: Height of the foot's heel above its ball.
    """

    rows: tuple[tuple[float, Leeway, Leeway], ...]
    size: Leeway = 1.0
    sole: Leeway = 0.0
    heel: Leeway = 0.0


class Fit:
    """The measurements of one garment."""

    def __init__(self, grading: Grading, dice: Dice) -> None:
        size = dice.roll(grading.size)
        self._rows = [
            (y, dice.roll(height), size * dice.roll(width))
            for y, height, width in grading.rows
        ]
        self._sole, self._heel = dice.roll(grading.sole), dice.roll(grading.heel)
        self._spring = dice.between(0.1, 0.9)

    def place(self, x: float, y: float) -> Point:
        """Maps a point of the pattern to the canvas, in pattern units.

        Args:
            x: From the middle to the right.
            y: From the top down. For shoes, from the surface that the foot stands on
                upwards; -1 is always the ground.
        """
        height, width = self._grade(max(y, 0) if self._sole else y)
        if not self._sole:
            return x * width, height
        bed = self._bed(x * width / _FOOT + 0.5)
        return x * width, _GROUND - (bed + height if y >= 0 else bed * (1 + y))

    def _grade(self, y: float) -> Point:
        """Returns the new height and relative width, interpolated between two rows."""
        low = high = self._rows[0]
        for high in self._rows:
            if y <= high[0]:
                break
            low = high
        if low is high:
            return low[1] + y - low[0], low[2]
        share = (y - low[0]) / (high[0] - low[0])
        height = low[1] + share * (high[1] - low[1])
        return height, low[2] + share * (high[2] - low[2])

    def _bed(self, share: float) -> float:
        """Returns the foot's height above the ground, from toe (0) to heel (1)."""
        if share < 0.15:
            return self._sole + self._spring * (1 - share / 0.15)
        # A straight ramp with rounded ends.
        climb = min(1.0, max(0.0, share - 0.33) / 0.5)
        return self._sole + self._heel * climb * climb * (3 - 2 * climb)
