"""The last: the shape of foot and heel that shoes are built around."""

from dataclasses import dataclass
from functools import cached_property

from components.garments.canvas import Point, smooth


@dataclass(frozen=True)
class Last:
    """Where sole, heel and foot are, the toe pointing left.

    Attributes:
        toe: Left end of the shoe.
        back: Right end of the shoe.
        ground: Height of the ground, as y.
        sole: Thickness of the sole under the ball of the foot.
        heel: How much higher the heel of the foot stands than the ball.
        spring: How far the tip of the toe is lifted off the ground.
    """

    toe: float
    back: float
    ground: float
    sole: float
    heel: float
    spring: float = 0.3

    def x(self, share: float) -> float:
        """Returns the x of a place along the shoe, 0 at the toe and 1 at the back."""
        return self.toe + share * (self.back - self.toe)

    def bed(self, share: float) -> float:
        """Returns the y that the foot stands on at a place along the shoe."""
        ball = self.ground - self.sole
        if share < 0.15:
            return ball - self.spring * (1 - share / 0.15)
        if share < 0.33:
            return ball
        # A straight ramp with its two ends rounded off.
        climb = min(1.0, (share - 0.33) / 0.5)
        return ball - self.heel * climb * climb * (3 - 2 * climb)

    def above(self, share: float, height: float) -> Point:
        """Returns the point `height` above the bed."""
        return self.x(share), self.bed(share) - height

    @cached_property
    def floor(self) -> list[Point]:
        """The line that the foot stands on, from toe to back."""
        return [self.above(share / 12, 0) for share in range(13)]

    def plate(self, thickness: float) -> list[Point]:
        """Returns a sole of even thickness along the floor."""
        floor = self.floor
        return [*floor, *[(x, y + thickness) for x, y in reversed(floor)]]

    def block(self, front: float, taper: float) -> list[Point]:
        """Returns the heel, reaching from the bed to the ground.

        Args:
            front: Where it starts along the shoe; small values make a wedge.
            taper: How much narrower it is at the ground, 0 to 1.
        """
        width = self.x(1) - self.x(front)
        top = [self.above(front + (1 - front) * i / 4, 0) for i in range(5)]
        right = self.x(1) - 0.25 * taper * width
        left = self.x(front) + 0.7 * taper * width
        return [*top, (right, self.ground), (left, self.ground)]

    def upper(self, profile: list[tuple[float, float]]) -> list[Point]:
        """Returns an outline over the floor through `(share, height)` points."""
        top = smooth([self.above(share, height) for share, height in profile])
        return [*top, *reversed(self.floor)]
