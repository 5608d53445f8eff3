"""Plots of the training curves."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from msg_modules.common import files

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_curves(stats: Sequence[dict[str, Any]]) -> Figure:
    """Plots losses and the discriminator's accuracy over the images seen.

    Args:
      stats: The result of `reporting.read_stats`.
    """
    # Imported here because it is slow; without pyplot because there may be no display.
    from matplotlib.figure import Figure

    images = [line["images"] for line in stats]
    figure = Figure(figsize=(9, 6), layout="constrained")
    losses, accuracies = figure.subplots(2, 1, sharex=True)
    for axes, title, labels in (
        (
            losses,
            "loss",
            {"generator_loss": "generator", "discriminator_loss": "discriminator"},
        ),
        (
            accuracies,
            "accuracy",
            {"real_accuracy": "real images", "fake_accuracy": "generated images"},
        ),
    ):
        for name, label in labels.items():
            axes.plot(images, [line[name] for line in stats], label=label)
        axes.set_ylabel(title)
        axes.grid(alpha=0.3)
        axes.legend()
    losses.set_title("Adversarial losses and discriminator accuracy")
    accuracies.set_ylim(0, 1)
    accuracies.set_xlabel("real images seen")
    return figure


def save_curves(stats: Sequence[dict[str, Any]], path: pathlib.Path) -> None:
    """Writes the plot of `plot_curves` to a PNG file.

    Args:
      stats: The result of `reporting.read_stats`.
      path: The PNG file.
    """
    with files.beside(path) as part:
        plot_curves(stats).savefig(part, dpi=120)
