"""Console summary of an evaluation."""

from __future__ import annotations

from typing import Any

_SHOWN = (
    "frechet",
    "kernel",
    "precision",
    "recall",
    "density",
    "coverage",
    "class_distance",
)


def lines(evaluation: dict[str, Any]) -> list[str]:
    """Formats a table of the main metrics, with those of real images and noise.

    Args:
      evaluation: Content of `metrics.json` (`judge.to_json`).

    Returns:
      Lines without line breaks; empty if the generator could not be measured.
    """
    figures = evaluation["figures"]
    if not figures:
        return []
    extractor = evaluation["extractor"]
    has_baseline = evaluation["baseline"] is not None
    heading = [
        "generated",
        "",
        "real",
        "noise",
        *(["last blessed"] if has_baseline else []),
    ]
    rows = [
        f"\n{len(evaluation['seeds'])} x {evaluation['num_images']:,} generated images"
        f" against {evaluation['num_images']:,} images of {evaluation['split']!r} of"
        f" {evaluation['dataset']},\nby features of classifier"
        f" {extractor['extractor']} {extractor['content_hash'][:8]}, trained on"
        f" {extractor['dataset']}.\nReal: {evaluation['num_real_images']:,} training"
        " images; noise: uniform pixels.",
        _row("", heading),
    ]
    for name, figure in figures.items():
        if not name.startswith(_SHOWN) or name == "kernel_std":
            continue
        std = figure["std"]
        cells = [
            f"{figure['value']:.3f}",
            "" if std is None else f"± {std:.3f}",
            f"{figure['real']:.3f}",
            f"{figure['noise']:.3f}",
            *([f"{figure['baseline']:.3f}"] if has_baseline else []),
        ]
        rows.append(_row(figure["label"], cells))
    if by_class := evaluation["by_class"]:
        worst = min(by_class, key=lambda each: each["accuracy"])
        mean = sum(each["accuracy"] for each in by_class) / len(by_class)
        rows.append(
            f"  {mean:.1%} of the images are of the class asked for, by the classifier;"
            f" worst: {worst['accuracy']:.1%} of {worst['name']!r} (of its test images"
            f" {worst['real_accuracy']:.1%})."
        )
    rows += [f"  {note}" for note in evaluation["notes"]]
    return rows


def _row(label: str, cells: list[str]) -> str:
    widths = (10, 8, 9, 9, 13)
    cells = [f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=False)]
    return f"  {label:<28}{''.join(cells)}"
