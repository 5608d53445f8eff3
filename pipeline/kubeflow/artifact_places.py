"""Where a step finds its artifacts, and puts them."""

from __future__ import annotations

import os
import pathlib
import posixpath
from collections.abc import Iterator
from typing import Any, Literal, get_args

from msg_modules.common import files
from msg_modules.common.errors import RunError

# Who sees to it that a step finds files: KFP's launcher copies what has a URI that it
# knows; the entry point copies whatever has a URI; or the step opens URIs by itself.
Access = Literal["launcher", "copies", "uris"]
ACCESSES: tuple[Access, ...] = get_args(Access)

# Where KFP's launcher keeps the copies: backend/src/v2/component/launcher_v2.go.
_LAUNCHERS = {"minio": "minio", "s3": "s3", "gs": "gcs"}
_OUTPUT_FILE = "executor_output.json"

Json = dict[str, Any]


def artifacts_of(side: Json) -> Iterator[tuple[str, Json]]:
    """The artifacts of the inputs or outputs of an `ExecutorInput`, with their keys."""
    for key, entry in side.get("artifacts", {}).items():
        for artifact in entry.get("artifacts", []):
            yield key, artifact


class Places:
    """The place that TFX is told for each URI, and the URIs again."""

    def __init__(self, access: Access, copies: pathlib.Path):
        """Begins with none.

        Args:
          access: Who copies, if anybody.
          copies: The directory of the directories of copies.
        """
        self._access = access
        self._copies = copies
        self._uris: dict[str, str] = {}

    def place_of(self, artifact: Json) -> str:
        """Where the step finds or puts the content of an artifact.

        Args:
          artifact: A `RuntimeArtifact`. A URI that is a path already, or one that
            nobody copies, stays as it is.
        """
        uri = artifact["uri"]
        place = artifact.get("customPath") or uri
        scheme, separator, path = place.partition("://")
        if separator and self._access == "launcher" and scheme in _LAUNCHERS:
            place = str(self._copies / _LAUNCHERS[scheme] / path)
        elif separator and self._access == "copies":
            place = str(self._copies / scheme / path)
        self._uris[place] = uri
        return place

    def output_file(self, outputs: Json) -> str:
        """Where TFX says what it made; Beam's temporary files lie beside it.

        Args:
          outputs: The `outputs` of the `ExecutorInput`, as it came.
        """
        if self._access == "copies":
            return str(self._copies / _OUTPUT_FILE)
        if self._access == "uris":
            (_, artifact), *_ = artifacts_of(outputs)
            return posixpath.join(posixpath.dirname(artifact["uri"]), _OUTPUT_FILE)
        return outputs["outputFile"]

    def restore(self, value: Any) -> Any:
        """The same JSON, with the URI for each place in it."""
        if isinstance(value, dict):
            return {key: self.restore(entry) for key, entry in value.items()}
        if isinstance(value, list):
            return [self.restore(entry) for entry in value]
        return self._uris.get(value, value) if isinstance(value, str) else value


def check_schemes(request: Json) -> None:
    """Finds out now, and not half-way, that TensorFlow does not open a URI.

    Args:
      request: An `ExecutorInput` whose URIs nobody else has copied.

    Raises:
      RunError: If it does not.
    """
    import tensorflow as tf

    known = tf.io.gfile.get_registered_schemes()
    for side in ("inputs", "outputs"):
        for key, artifact in artifacts_of(request[side]):
            scheme, separator, _ = artifact["uri"].partition("://")
            if separator and scheme not in known:
                raise RunError(
                    f"The artifact {key!r} is {artifact['uri']!r}, and TensorFlow opens"
                    " gs:// only; use --pipeline-root gs://BUCKET/DIRECTORY, or a Beam"
                    " runner whose workers are in the step."
                )


def write(place: str, text: str) -> None:
    """Writes a file as a whole, and the directory that it is in.

    Args:
      place: A path, or a URI that TensorFlow opens.
      text: All that shall be in it.
    """
    import tensorflow as tf

    if "://" in place:
        with tf.io.gfile.GFile(place, "w") as file:
            file.write(text)
        return
    path = pathlib.Path(place)
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_whole(path, text)


def remove(place: str) -> None:
    """Removes a file or a directory, if it is there.

    Args:
      place: A path, or a URI that TensorFlow opens.
    """
    import tensorflow as tf

    if tf.io.gfile.isdir(place):
        tf.io.gfile.rmtree(place)
    elif tf.io.gfile.exists(place):
        tf.io.gfile.remove(place)


def copy(source: str, target: str) -> None:
    """Copies a file or a directory; what was at the target is gone then.

    Args:
      source: A path, or a URI that TensorFlow opens; nothing is done if nothing is
        there.
      target: The same.
    """
    import tensorflow as tf

    remove(target)
    if not tf.io.gfile.isdir(source):
        if tf.io.gfile.exists(source):
            tf.io.gfile.makedirs(os.path.dirname(target))
            tf.io.gfile.copy(source, target)
        return
    for directory, _, names in tf.io.gfile.walk(source):
        inside = directory[len(source) :].strip("/")
        tf.io.gfile.makedirs(posixpath.join(target, inside))
        for name in names:
            tf.io.gfile.copy(
                posixpath.join(directory, name), posixpath.join(target, inside, name)
            )
