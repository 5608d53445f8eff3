"""Draws one garment of any class; needs neither TensorFlow nor network access."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from .canvas import UNDYED, Canvas, Point
from .cloth import WEAVES, contrast, shade
from .dice import Dice
from .fit import Fit
from .light import develop
from .patterns import CLASSES, PARTS, PATTERNS, Layer, Pattern

CLASS_NAMES = tuple(CLASSES)
"""Class names, in the order of Fashion-MNIST."""


def draw_garment(label: int, rng: np.random.Generator) -> np.ndarray:
    """Draws a garment.

    Args:
        label: Its class, an index into `CLASS_NAMES`.
        rng: Determines everything else; a generator in the same state gives the
            same image.

    Returns:
        uint8 `[28, 28, 1]`, the garment in light tones on a background of 0. The
        same with NumPy 1.26 and 2.x, and with Pillow 11.2 or newer.

    Raises:
        ValueError: If the class does not exist.
    """
    if not 0 <= label < len(CLASS_NAMES):
        raise ValueError(f"label is {label}, wanted 0 to {len(CLASS_NAMES) - 1}")
    dice = Dice(rng)
    pattern = PATTERNS[dice.weigh(CLASSES[CLASS_NAMES[label]])]
    return develop(_Tailor(pattern, dice).sew(), dice)


class _Frame(NamedTuple):
    """Placement of a part: scaling about the origin, then a shift."""

    scale_x: float = 1.0
    scale_y: float = 1.0
    x: float = 0.0
    y: float = 0.0

    def place(self, x: float, y: float) -> Point:
        return x * self.scale_x + self.x, y * self.scale_y + self.y


class _Tailor:
    """Lays the layers of one garment on a canvas."""

    def __init__(self, pattern: Pattern, dice: Dice) -> None:
        self._pattern, self._dice = pattern, dice
        self._fit = Fit(pattern.fit, dice)
        self._tone = round(dice.roll(pattern.tone))
        self._weave = dice.weigh(pattern.weaves)
        self._canvas = Canvas(dice.between(-0.025, 0.025), dice.between(-0.02, 0.02))

    def sew(self) -> Canvas:
        """Draws the garment."""
        self._lay(self._pattern.layers, _Frame())
        if self._weave != "plain":
            self._canvas.dye(WEAVES[self._weave](self._tone, self._dice))
        return self._canvas

    def _lay(self, layers: Iterable[Layer], frame: _Frame) -> None:
        """Draws layers in order, except those left out by chance."""
        dice = self._dice
        for layer in layers:
            if layer.chance < 1 and not dice.chance(layer.chance):
                continue
            inner = frame
            if layer.scale or layer.move:
                scale_x, scale_y = map(dice.roll, layer.scale or (1.0, 1.0))
                shift = frame.place(*map(dice.roll, layer.move or (0.0, 0.0)))
                inner = _Frame(frame.scale_x * scale_x, frame.scale_y * scale_y, *shift)
            if layer.parts:
                self._lay(PARTS[dice.weigh(layer.parts)], inner)
            else:
                self._draw(layer, inner)

    def _draw(self, layer: Layer, frame: _Frame) -> None:
        roll, place, fit = self._dice.roll, frame.place, self._fit.place
        tone, width, canvas = self._mix(layer), roll(layer.width), self._canvas
        step_x, step_y = map(roll, layer.step)
        for index in range(round(roll(layer.times))):
            across, down = index * step_x, index * step_y
            points: list[Point] = []
            for curve in layer.curves:
                drawn = [place(roll(x) + across, roll(y) + down) for x, y in curve]
                points += _smooth([fit(x, y) for x, y in drawn])
            for shape in _mirrored(points, layer.mirror):
                if layer.tool in ("fill", "cut"):
                    canvas.fill(shape, tone, layer.depth)
                elif layer.tool == "seam":
                    canvas.seam(shape, layer.depth, width)
                else:  # A line, a strap or dots.
                    getattr(canvas, layer.tool)(shape, tone, width)

    def _mix(self, layer: Layer) -> int:
        if layer.tool == "cut":
            return 0
        if layer.tone is None:
            return self._tone if self._weave == "plain" else UNDYED
        if isinstance(layer.tone, str):
            return contrast(self._tone, self._dice)
        return shade(self._tone, self._dice.roll(layer.tone))


def _mirrored(points: list[Point], how: str | None) -> list[list[Point]]:
    if not how:
        return [points]
    left = [(-x, y) for x, y in reversed(points)]
    return [points + left] if how == "join" else [points, left]


def _smooth(points: list[Point]) -> list[Point]:
    """Returns an open curve through the points, with one more between each pair."""
    if len(points) < 3:
        return points
    padded = [points[0], *points, points[-1]]
    curve: list[Point] = []
    for before, start, end, after in zip(
        padded, points, points[1:], padded[3:], strict=False
    ):
        # The midpoint of a Catmull-Rom spline segment.
        x = (9 * (start[0] + end[0]) - before[0] - after[0]) / 16
        y = (9 * (start[1] + end[1]) - before[1] - after[1]) / 16
        curve += (start, (x, y))
    return [*curve, points[-1]]
