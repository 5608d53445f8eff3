"""A supersampled drawing surface that knows tone and relief."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImagePath

SIDE = 28
SCALE = 4
CENTRE = SIDE / 2

Point = tuple[float, float]
Outline = Sequence[Point]


def smooth(points: Outline) -> list[Point]:
    """Returns an open curve through the points, rounded by one more between each."""
    padded = [points[0], *points, points[-1]]
    curve: list[Point] = []
    for before, start, end, after in zip(
        padded, padded[1:], padded[2:], padded[3:], strict=False
    ):
        # The middle of a Catmull-Rom spline.
        x = (9 * (start[0] + end[0]) - before[0] - after[0]) / 16
        y = (9 * (start[1] + end[1]) - before[1] - after[1]) / 16
        curve += (start, (x, y))
    return [*curve, points[-1]]


def mirror(points: Outline) -> list[Point]:
    """Returns the points reflected left to right, in reverse order."""
    return [(SIDE - x, y) for x, y in reversed(points)]


def level(half: float, y: float) -> list[Point]:
    """Returns the ends of a level line across the centre."""
    return [(CENTRE - half, y), (CENTRE + half, y)]


def symmetric(left: Outline) -> list[Point]:
    """Returns a whole outline, given its left half from top to bottom."""
    return [*left, *mirror(left)]


@dataclass(frozen=True)
class Cloth:
    """What a part is made of.

    Attributes:
        tone: Its brightness in the finished picture, 1 to 255.
        pattern: A picture the size of the canvas, or None for plain cloth.
    """

    tone: int
    pattern: Image.Image | None = None


class Pose:
    """How the item hangs: a small shear and stretch about the centre.

    Args:
        lean: How far x moves to the right per pixel downwards.
        sag: How far y moves down per pixel to the right.
        stretch: Width as a multiple of the drawn one.
    """

    def __init__(
        self, lean: float = 0.0, sag: float = 0.0, stretch: float = 1.0
    ) -> None:
        # Half a pixel more, because drawing rounds towards zero.
        self._affine = (
            SCALE * stretch,
            SCALE * lean,
            SCALE * CENTRE * (1 - stretch - lean) + 0.5,
            SCALE * sag,
            SCALE,
            0.5 - SCALE * CENTRE * sag,
        )

    def place(self, points: Outline) -> ImagePath.Path:
        """Returns canvas pixels for points given in picture pixels."""
        path = ImagePath.Path(points)
        path.transform(self._affine)
        return path


class Canvas:
    """Two layers, both `SCALE` times finer than the picture.

    `ink` holds tones, 0 where nothing is drawn. `relief` holds heights, from
    which the light later takes seams, folds and rounded edges. All coordinates
    are picture pixels, from 0 to 28, x to the right and y down.
    """

    def __init__(self, pose: Pose) -> None:
        size = (SIDE * SCALE, SIDE * SCALE)
        self.ink = Image.new("L", size)
        self.relief = Image.new("L", size)
        self._pose = pose
        self._ink = ImageDraw.Draw(self.ink)
        self._relief = ImageDraw.Draw(self.relief)

    def fill(self, outline: Outline, cloth: Cloth | int, edge: int = 30) -> None:
        """Covers the inside of an outline.

        Args:
            outline: Corners of a polygon.
            cloth: What to cover it with; an integer is a plain tone.
            edge: Height of its border, 0 to 255; low borders look deep.
        """
        pixels = self._pose.place(outline)
        if isinstance(cloth, int):
            self._ink.polygon(pixels, fill=cloth)
        elif cloth.pattern is None:
            self._ink.polygon(pixels, fill=cloth.tone)
        else:
            mask = Image.new("L", self.ink.size)
            ImageDraw.Draw(mask).polygon(pixels, fill=255)
            self.ink.paste(cloth.pattern, mask=mask)
        self._relief.polygon(pixels, fill=255, outline=edge)

    def cut(self, outline: Outline) -> None:
        """Removes whatever is inside an outline."""
        pixels = self._pose.place(outline)
        self._ink.polygon(pixels, fill=0)
        self._relief.polygon(pixels, fill=0)

    def line(self, points: Outline, tone: int, width: float = 0.7) -> None:
        """Draws a flat line, such as a stripe, a zip or a lace."""
        pixels = self._pose.place(points)
        self._ink.line(pixels, fill=tone, width=max(1, round(width * SCALE)))

    def strap(self, points: Outline, tone: int, width: float) -> None:
        """Draws a line that stands out from what is behind it."""
        pixels = self._pose.place(points)
        thickness = max(2, round(width * SCALE))
        self._ink.line(pixels, fill=tone, width=thickness)
        self._relief.line(pixels, fill=110, width=thickness)
        # What the upper line leaves of the lower one is the border of the strap.
        self._relief.line(pixels, fill=255, width=max(1, thickness - 3))

    def groove(self, points: Outline, height: int = 90, width: float = 0.5) -> None:
        """Presses a seam or a crease into the relief."""
        pixels = self._pose.place(points)
        self._relief.line(pixels, fill=height, width=max(1, round(width * SCALE)))

    def dot(self, centre: Point, radius: float, tone: int) -> None:
        """Draws a flat disc, such as a button or an eyelet."""
        ((x, y),) = self._pose.place([centre])
        r = max(1, round(radius * SCALE))
        self._ink.ellipse((x - r, y - r, x + r, y + r), fill=tone)
