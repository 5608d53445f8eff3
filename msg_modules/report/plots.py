"""Plots for the report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_learning_curve(curve: Sequence[dict[str, Any]]) -> Figure:
    """Plots the Frechet distance over the images seen.

    Args:
      curve: Points with `images` and `frechet`.
    """
    figure = _new_figure(height=3)
    axes = figure.subplots()
    axes.plot(
        [point["images"] for point in curve],
        [point["frechet"] for point in curve],
        marker="o",
    )
    axes.set(
        xlabel="real images seen",
        ylabel="Frechet distance to training images",
        yscale="log",
        title="Learning curve",
    )
    axes.grid(alpha=0.3, which="both")
    return figure


def plot_classes(
    real: Sequence[float], generated: Sequence[float], names: Sequence[str]
) -> Figure:
    """Plots the predicted class distributions.

    Args:
      real: Fraction of each class among the test images.
      generated: Fraction of each class among the generated images.
      names: Class names.
    """
    figure = _new_figure(height=3)
    axes = figure.subplots()
    places, width = np.arange(len(names)), 0.4
    axes.bar(places - width / 2, real, width, label="test images")
    axes.bar(places + width / 2, generated, width, label="generated")
    axes.set_xticks(places, names, rotation=30, ha="right")
    axes.set(ylabel="fraction", title="Predicted class distribution")
    axes.grid(alpha=0.3, axis="y")
    axes.legend()
    return figure


def _new_figure(height: float) -> Figure:
    # Imported here because it is slow; without pyplot because there may be no display.
    from matplotlib.figure import Figure

    return Figure(figsize=(9, height), layout="constrained")
