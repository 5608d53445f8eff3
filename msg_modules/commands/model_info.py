"""`msg-gan info`."""

from __future__ import annotations

import datetime
import pathlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from msg_modules.common import console
from msg_modules.common.errors import MISFIT, ConfigError

if TYPE_CHECKING:
    from msg_modules.data.class_spec import ClassSpec


def info(model: pathlib.Path) -> None:
    """Prints a pushed generator's signatures, classes, size, provenance and metrics.

    Args:
      model: Serving directory (its served version is used), or a version directory.
    """
    from msg_modules.generator import sampling, saved_models, version_directories

    # Loading checks that the SavedModel is complete.
    generator = sampling.load_generator(model)
    version = generator.path
    graph = saved_models.read_meta_graph(version)
    files = [path for path in version.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    written = datetime.datetime.fromtimestamp(
        (version / "saved_model.pb").stat().st_mtime
    )
    console.say(str(version.resolve()))
    rows = [
        *(("signature", line) for line in saved_models.describe_signatures(graph)),
        *_describe_classes(generator.classes),
        ("parameters", f"{saved_models.count_weights(version):,}"),
        ("size", f"{size / 1e6:.2f} MB in {len(files)} files"),
        (
            "written",
            f"{written:%Y-%m-%d %H:%M}, by TensorFlow"
            f" {graph.meta_info_def.tensorflow_version}",
        ),
        *_read_card(version / version_directories.CARD_FILE),
    ]
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        console.say(f"  {name:<{width}}  {value}")


def _describe_classes(classes: ClassSpec) -> list[tuple[str, str]]:
    if not len(classes):
        return []
    width = max(len(name) for name in classes.names)
    return [
        ("class", f"{number:>3}  {name:<{width}}  {share:.1%} of the training images")
        for number, (name, share) in enumerate(
            zip(classes.names, classes.shares, strict=True)
        )
    ]


def _read_card(path: pathlib.Path) -> list[tuple[str, Any]]:
    """Reads the front matter of the model card; empty if there is no card."""
    if not path.is_file():
        return []
    from msg_modules.report import card

    try:
        return list(_flatten(card.read_front_matter(path)))
    except (ConfigError, *MISFIT):
        return [("card", f"the front matter of {path.name} cannot be read")]


def _flatten(entries: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    from msg_modules.report import card

    for key, value in entries.items():
        if key == "model-index":
            yield from card.figures(value)
        elif isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{key}.")
        elif isinstance(value, list):
            yield f"{prefix}{key}", ", ".join(map(str, value))
        else:
            yield f"{prefix}{key}", value
