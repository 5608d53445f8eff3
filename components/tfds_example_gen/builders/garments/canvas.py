"""A supersampled drawing surface with tone and relief."""

from PIL import Image, ImageChops, ImageDraw, ImagePath

UNITS = 34
"""Side of the canvas in pattern units; a unit is about one pixel of the image."""
SCALE = 3
"""Canvas pixels per unit."""
SIZE = UNITS * SCALE
_TOP = 3 * SCALE

Point = tuple[float, float]

UNDYED = 255
"""Placeholder tone for patterned cloth; all other tones are lower."""
_REST = Image.new("L", (SIZE, SIZE), UNDYED - 1)


class Canvas:
    """Two layers, both at `SCALE` times the resolution of the image.

    `ink` holds tones, 0 where nothing is drawn. `relief` holds heights, from which
    lighting later derives seams, folds and rounded edges. Points are in pattern units:
    x from the middle to the right, y from the top down.

    Args:
        lean: Shift of x to the right, per unit down.
        sag: Shift of y down, per unit to the right.
    """

    def __init__(self, lean: float, sag: float) -> None:
        self.ink = Image.new("L", (SIZE, SIZE))
        self.relief = Image.new("L", (SIZE, SIZE))
        self._ink = ImageDraw.Draw(self.ink)
        self._relief = ImageDraw.Draw(self.relief)
        # The extra half pixel compensates for drawing, which rounds towards zero.
        x, y = SIZE / 2 + 0.5, _TOP + 0.5
        self._affine = (SCALE, SCALE * lean, x, SCALE * sag, SCALE, y)

    def fill(self, outline: list[Point], tone: int, depth: float) -> None:
        """Fills a polygon, its border 0 to 255 deep; tone 0 cuts it out."""
        pixels = self._place(outline)
        height, border = (255, round(255 - depth)) if tone else (0, 0)
        self._ink.polygon(pixels, fill=tone)
        self._relief.polygon(pixels, fill=height, outline=border)

    def line(self, points: list[Point], tone: int, width: float) -> None:
        """Draws a flat line, such as a stripe, a zip or a lace."""
        self._ink.line(self._place(points), fill=tone, width=_pixels(width))

    def seam(self, points: list[Point], depth: float, width: float) -> None:
        """Presses a seam or a crease into the relief, `depth` 0 to 255."""
        pixels = self._place(points)
        self._relief.line(pixels, fill=round(255 - depth), width=_pixels(width))

    def strap(self, points: list[Point], tone: int, width: float) -> None:
        """Draws a line that is raised above what is behind it."""
        self.line(points, tone, width)
        self.seam(points, 145, width)
        # What remains of the seam is the border of the strap.
        self.seam(points, 0, width - 3 / SCALE)

    def dot(self, points: list[Point], tone: int, width: float) -> None:
        """Draws flat discs, such as buttons or studs."""
        r = _pixels(width / 2)
        for x, y in self._place(points):
            self._ink.ellipse((x - r, y - r, x + r, y + r), fill=tone)

    def dye(self, cloth: Image.Image) -> None:
        """Pastes an image of cloth, as large as the canvas, wherever it is `UNDYED`."""
        self.ink.paste(cloth, mask=ImageChops.subtract(self.ink, _REST, scale=1 / 255))

    def _place(self, points: list[Point]) -> ImagePath.Path:
        path = ImagePath.Path(points)
        path.transform(self._affine)
        return path


def _pixels(width: float) -> int:
    return max(1, round(width * SCALE))
