"""Loads `patterns.yaml`, which describes what each garment looks like."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from .dice import Leeway, leeway
from .fit import Grading

Spot = tuple[Leeway, Leeway]
"""x and y of a point."""


def _value(given: object) -> Any:
    """Parses a word, a number or range, or a comma-separated pair of those."""
    text = str(given)
    if text.isalpha():
        return text
    numbers = tuple(map(leeway, text.split(",")))
    return numbers if len(numbers) > 1 else numbers[0]


@dataclass(frozen=True)
class Layer:
    """A layer drawn over the previous ones; fields are explained in `patterns.yaml`.

    Attributes:
        tool: Canvas method to use, or `pick`.
        curves: Points to pass to it.
        parts: For `pick`, the weight of each part.
    """

    tool: str
    curves: tuple[tuple[Spot, ...], ...] = ()
    parts: Mapping[str, float] | None = None
    chance: float = 1.0
    scale: Spot | None = None
    move: Spot | None = None
    times: Leeway = 1.0
    step: Spot = (0.0, 0.0)
    mirror: str | None = None
    tone: Leeway | str | None = None
    width: Leeway = 0.5
    depth: float = 225.0


@dataclass(frozen=True)
class Pattern:
    """Garments of one cut: tones, weaves by weight, sizes and layers."""

    tone: Leeway
    weaves: Mapping[str, float]
    fit: Grading
    layers: tuple[Layer, ...]


def _pattern(tone: str, weaves: Any, fit: dict[str, Any], layers: Any) -> Pattern:
    rows = tuple((y, *_value(row)) for y, row in fit["rows"].items())
    rest = {key: _value(value) for key, value in fit.items() if key != "rows"}
    return Pattern(_value(tone), weaves, Grading(rows, **rest), _layers(layers))


def _layers(given: list[dict[str, Any]]) -> tuple[Layer, ...]:
    return tuple(_layer(*layer.items()) for layer in given)


def _layer(tool: tuple[str, Any], *options: tuple[str, Any]) -> Layer:
    """Parses a layer, tool first; a misspelled option raises a TypeError."""
    name, what = tool
    given = {key: _value(value) for key, value in options}
    if name == "pick":
        return Layer(name, parts=what, **given)
    curves = tuple(tuple(map(_value, curve.split())) for curve in what.split("|"))
    return Layer(name, curves, **given)


_DATA = yaml.safe_load(Path(__file__).with_name("patterns.yaml").read_text("utf-8"))
CLASSES: dict[str, dict[str, float]] = _DATA["classes"]
"""The patterns of each class, by weight."""
PATTERNS = {name: _pattern(**given) for name, given in _DATA["patterns"].items()}
PARTS = {name: _layers(given) for name, given in _DATA["parts"].items()}
