"""The HTML report of an evaluation, a single self-contained file."""

from __future__ import annotations

import base64
import io
import pathlib
from typing import TYPE_CHECKING, Any

import PIL.Image

from msg_modules.pictures import curves
from msg_modules.report import plots
from msg_modules.report.illustrations import Pictures
from msg_modules.report.rendering import render
from msg_modules.training import reporting

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ANIMATION = "training.gif"


def render_page(
    evaluation: dict[str, Any], pictures: Pictures, run_dir: pathlib.Path | None
) -> str:
    """Renders the report.

    Args:
      evaluation: Content of `metrics.json`.
      pictures: The result of `draw_pictures`.
      run_dir: Directory of the training; None if unknown.

    Returns:
      Self-contained HTML.
    """
    images = {name: _png(picture) for name, picture in pictures.items()}
    shares = evaluation["class_shares"]
    if shares and shares["generated"]:
        names = evaluation["class_names"]
        if len(names) != len(shares["real"]):
            names = range(len(shares["real"]))
        images["classes"] = _svg(
            plots.plot_classes(
                shares["real"], shares["generated"], [str(name) for name in names]
            )
        )
    if run_dir:
        images["curves"] = _svg(curves.plot_curves(reporting.read_stats(run_dir)))
        images["timelapse"] = _uri("gif", (run_dir / _ANIMATION).read_bytes())
        if learning := evaluation["training"]["learning_curve"]:
            images["learning"] = _svg(plots.plot_learning_curve(learning))
    return render("page.html", evaluation=evaluation, images=images)


def _png(picture: PIL.Image.Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "png", optimize=True)
    return _uri("png", buffer.getvalue())


def _svg(figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg")
    return _uri("svg+xml", buffer.getvalue())


def _uri(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
