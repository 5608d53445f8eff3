"""Maps artifact URIs to the paths where a step reads and writes them."""

from __future__ import annotations

import os
import pathlib
import posixpath
from collections.abc import Iterator
from typing import Any, Literal, get_args

from msg_modules.common import files
from msg_modules.common.errors import RunError

# Who makes artifacts available as files: KFP's launcher copies those with a URI scheme
# that it supports; the entry point copies all URIs; or the step opens URIs itself.
Access = Literal["launcher", "copies", "uris"]
ACCESSES: tuple[Access, ...] = get_args(Access)

# Where KFP's launcher puts its copies: backend/src/v2/component/launcher_v2.go.
_LAUNCHERS = {"minio": "minio", "s3": "s3", "gs": "gcs"}
_OUTPUT_FILE = "executor_output.json"

Json = dict[str, Any]


def artifacts_of(side: Json) -> Iterator[tuple[str, Json]]:
    """Yields key and artifact of the inputs or outputs of an `ExecutorInput`."""
    for key, entry in side.get("artifacts", {}).items():
        for artifact in entry.get("artifacts", []):
            yield key, artifact


class Places:
    """Maps URIs to the places that TFX is given for them, and back."""

    def __init__(self, access: Access, copies: pathlib.Path):
        """Starts with an empty mapping.

        Args:
          access: Who copies artifacts, if anyone.
          copies: Parent directory of the copies.
        """
        self._access = access
        self._copies = copies
        self._uris: dict[str, str] = {}

    def place_of(self, artifact: Json) -> str:
        """Returns where the step reads or writes the content of an artifact.

        Args:
          artifact: A `RuntimeArtifact`. Its URI is returned unchanged if it is a local
            path already or is not copied.
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
        """Returns where TFX writes its output metadata.

        Beam's temporary files go beside it.

        Args:
          outputs: The `outputs` of the original `ExecutorInput`.
        """
        if self._access == "copies":
            return str(self._copies / _OUTPUT_FILE)
        if self._access == "uris":
            (_, artifact), *_ = artifacts_of(outputs)
            return posixpath.join(posixpath.dirname(artifact["uri"]), _OUTPUT_FILE)
        return outputs["outputFile"]

    def restore(self, value: Any) -> Any:
        """Returns the JSON value with all places mapped back to URIs."""
        if isinstance(value, dict):
            return {key: self.restore(entry) for key, entry in value.items()}
        if isinstance(value, list):
            return [self.restore(entry) for entry in value]
        return self._uris.get(value, value) if isinstance(value, str) else value


def check_schemes(request: Json) -> None:
    """Checks that TensorFlow can open all URIs, before the step starts.

    Args:
      request: An `ExecutorInput` whose URIs KFP's launcher has not copied.

    Raises:
      RunError: If TensorFlow does not support the scheme of a URI.
    """
    import tensorflow as tf

    known = tf.io.gfile.get_registered_schemes()
    for side in ("inputs", "outputs"):
        for key, artifact in artifacts_of(request[side]):
            scheme, separator, _ = artifact["uri"].partition("://")
            if separator and scheme not in known:
                raise RunError(
                    f"The artifact {key!r} is {artifact['uri']!r}, but TensorFlow only"
                    " opens gs://; use --pipeline-root gs://BUCKET/DIRECTORY, or a Beam"
                    " runner whose workers run inside the step."
                )


def write(place: str, text: str) -> None:
    """Writes a file, atomically if it is local, and creates its directory.

    Args:
      place: A path, or a URI that TensorFlow opens.
      text: The content.
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
    """Removes a file or a directory, if it exists.

    Args:
      place: A path, or a URI that TensorFlow opens.
    """
    import tensorflow as tf

    if tf.io.gfile.isdir(place):
        tf.io.gfile.rmtree(place)
    elif tf.io.gfile.exists(place):
        tf.io.gfile.remove(place)


def copy(source: str, target: str) -> None:
    """Copies a file or a directory, replacing the target.

    Args:
      source: A path, or a URI that TensorFlow opens. If it does not exist, nothing is
        copied.
      target: A path, or a URI that TensorFlow opens; removed first in any case.
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
