"""Choosing a tone from another one. Tones are 0, black, to 255, white."""

from components.garments.dice import Dice


def shade(tone: int, change: float) -> int:
    """Returns a tone made lighter or darker, kept within 12 to 250."""
    return min(250, max(12, round(tone + change)))


def contrast(tone: int, dice: Dice, least: int = 50) -> int:
    """Returns a tone that differs by `least` or more, where 12 to 250 allow it."""
    if tone < 60 or (tone < 190 and dice.chance(0.5)):
        return shade(tone, dice.between(least, 140))
    return shade(tone, -dice.between(least, 170))
