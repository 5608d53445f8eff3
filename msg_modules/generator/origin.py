"""Which training an exported generator comes from, as its SavedModel records it."""

from __future__ import annotations

import dataclasses
import json
import pathlib

# TensorFlow Serving ignores other files in this directory.
_FILE = pathlib.Path("assets.extra", "training.json")


@dataclasses.dataclass(frozen=True)
class Origin:
    """Where a generator comes from; those of two exports of one generator are equal.

    Attributes:
      training: Name of the training: that of its directory in `checkpoints`.
      step: Number of steps that it was trained.
      content: Hash of the weights, the classes and the code that exported them.
    """

    training: str
    step: int
    content: str


def write(origin: Origin, model: pathlib.Path) -> None:
    """Records the origin in a SavedModel.

    Args:
      origin: What to record.
      model: Directory of the SavedModel, not yet at its final place.
    """
    path = model / _FILE
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(dataclasses.asdict(origin), indent=2) + "\n")


def read(model: pathlib.Path) -> Origin | None:
    """Reads the origin of a SavedModel.

    Args:
      model: Directory of the SavedModel.

    Returns:
      What was recorded; None if nothing was, or it cannot be read.
    """
    try:
        return Origin(**json.loads((model / _FILE).read_text()))
    except (OSError, TypeError, ValueError):
        return None
