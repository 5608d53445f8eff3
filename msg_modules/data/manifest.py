"""The sizes of the files of examples, which show whether they are still complete.

TensorFlow and Beam read a gzipped file that was truncated to a few bytes as one without
examples.
"""

from __future__ import annotations

import json
import os

import tensorflow as tf

from msg_modules.common.errors import MISFIT, RunError

MANIFEST_FILE = "sizes.json"


def write(directory: str) -> None:
    """Records the sizes of all files of an artifact, in a file beside its splits.

    Args:
      directory: Path or URI of an `Examples` artifact that is complete.
    """
    with tf.io.gfile.GFile(os.path.join(directory, MANIFEST_FILE), "w") as file:
        json.dump(_sizes(directory), file)


def check(directory: str, inside: str = "") -> None:
    """Compares the sizes of files with those recorded, if there are any.

    Args:
      directory: Path or URI of an `Examples` artifact.
      inside: The subdirectory to check. Default: all.

    Raises:
      RunError: If a file is missing or has another size, or the record is damaged.
    """
    path = os.path.join(directory, MANIFEST_FILE)
    if not tf.io.gfile.exists(path):
        return
    remedy = f"delete {directory!r} and rerun the pipeline."
    sizes = _sizes(directory)
    try:
        with tf.io.gfile.GFile(path) as file:
            recorded = {name: int(size) for name, size in json.load(file).items()}
    except (tf.errors.OpError, *MISFIT) as e:
        raise RunError(f"The file {path!r} is damaged ({e}); {remedy}") from e
    for name, size in recorded.items():
        if name.startswith(os.path.join(inside, "")) and sizes.get(name) != size:
            found = (
                f"has {sizes[name]:,} bytes instead of {size:,}"
                if name in sizes
                else "is missing"
            )
            raise RunError(
                f"The file {os.path.join(directory, name)!r} {found}; {remedy}"
            )


def _sizes(directory: str) -> dict[str, int]:
    """The sizes of files in bytes, by their names relative to the directory."""
    paths = [
        os.path.join(place, name)
        for place, _, names in tf.io.gfile.walk(directory)
        for name in names
        if name != MANIFEST_FILE
    ]
    return {
        os.path.relpath(path, directory): tf.io.gfile.stat(path).length
        for path in paths
    }
