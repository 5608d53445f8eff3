"""Plots of a judgement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_learning_curve(curve: Sequence[dict[str, Any]]) -> Figure:
    """The Frechet distance over the images seen.

    Args:
      curve: Points with `images` and `frechet_28`.
    """
    figure = _new_figure(height=3)
    axes = figure.subplots()
    axes.plot(
        [point["images"] for point in curve],
        [point["frechet_28"] for point in curve],
        marker="o",
    )
    axes.set(
        xlabel="real images seen",
        ylabel="Frechet distance to training images",
        yscale="log",
        title="While it learned",
    )
    axes.grid(alpha=0.3, which="both")
    return figure


def plot_classes(
    real: Sequence[float], generated: Sequence[float], names: Sequence[str]
) -> Figure:
    """Which classes the classifier sees.

    Args:
      real: Share of each class among the test images.
      generated: The same of generated images.
      names: Names of the classes.
    """
    figure = _new_figure(height=3)
    axes = figure.subplots()
    places, width = np.arange(len(names)), 0.4
    axes.bar(places - width / 2, real, width, label="test images")
    axes.bar(places + width / 2, generated, width, label="generated")
    axes.set_xticks(places, names, rotation=30, ha="right")
    axes.set(ylabel="share", title="Classes, as the classifier sees them")
    axes.grid(alpha=0.3, axis="y")
    axes.legend()
    return figure


def _new_figure(height: float) -> Figure:
    # Neither slows down an import of this module nor needs a display.
    from matplotlib.figure import Figure

    return Figure(figsize=(9, height), layout="constrained")
