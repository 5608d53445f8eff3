"""Reads transformed examples."""

from __future__ import annotations

import contextlib
import fnmatch
import os
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import tensorflow as tf

from msg_modules.common.errors import ConfigError, RunError
from msg_modules.data.image_spec import ImageSpec, image_key
from msg_modules.data.preprocessing import LABEL

_PARSE_BATCH = 1024


def load_pyramids(file_pattern: str | Sequence[str]) -> tuple[np.ndarray, ...]:
    """Reads all pyramids of a split into memory.

    Args:
      file_pattern: Transform's gzipped TFRecord files.

    Returns:
      float32 `[num_images, size, size, channels]` for each scale, smallest first. The
      examples tell which scales there are.

    Raises:
      RunError: If there are no files or no examples, or a file is corrupt.
    """
    shapes = read_spec(file_pattern).shapes
    features = {
        key: tf.io.FixedLenFeature(shape, tf.float32) for key, shape in shapes.items()
    }
    arrays = _read(file_pattern, features)
    return tuple(arrays[key] for key in shapes)


def load_labels(file_pattern: str | Sequence[str]) -> np.ndarray | None:
    """Reads the labels of a split, in the order of `load_pyramids`.

    Args:
      file_pattern: Transform's gzipped TFRecord files.

    Returns:
      int64 `[num_images]`; None if the images have no labels.

    Raises:
      RunError: If there are no files or no examples, or a file is corrupt.
    """
    if LABEL not in _first_features(file_pattern):
        return None
    return _read(file_pattern, {LABEL: tf.io.FixedLenFeature([], tf.int64)})[LABEL]


def read_spec(file_pattern: str | Sequence[str]) -> ImageSpec:
    """Describes the images of a split by the features of its first example.

    Args:
      file_pattern: Transform's gzipped TFRecord files.

    Raises:
      RunError: If there are no files or no examples, or a file is corrupt.
    """
    features = _first_features(file_pattern)
    try:
        spec = ImageSpec.of_keys(features, channels=1)
        values = features[image_key(spec.size)].float_list.value
        return ImageSpec(spec.size, len(values) // spec.size**2, spec.scales)
    except ConfigError as e:
        raise RunError(
            f"The examples {file_pattern} cannot be read as a pyramid ({e}); use a"
            " directory that Transform wrote."
        ) from e


def _first_features(
    file_pattern: str | Sequence[str],
) -> Mapping[str, tf.train.Feature]:
    with _told(file_pattern):
        record = next(iter(_records(file_pattern).take(1)), None)
    if record is None:
        raise _nothing_in(file_pattern)
    return tf.train.Example.FromString(record.numpy()).features.feature


def _read(
    file_pattern: str | Sequence[str], features: dict[str, tf.io.FixedLenFeature]
) -> dict[str, np.ndarray]:
    with _told(file_pattern):
        batches = list(
            _records(file_pattern)
            .batch(_PARSE_BATCH)
            .map(
                lambda records: tf.io.parse_example(records, features),
                num_parallel_calls=tf.data.AUTOTUNE,
            )
            .as_numpy_iterator()
        )
    if not batches:
        raise _nothing_in(file_pattern)
    return {key: np.concatenate([batch[key] for batch in batches]) for key in features}


def _records(file_pattern: str | Sequence[str]) -> tf.data.Dataset:
    files = _find(file_pattern)
    # A resumed training relies on the order of the images.
    return tf.data.TFRecordDataset(sorted(files), compression_type="GZIP")


@contextlib.contextmanager
def _told(file_pattern: str | Sequence[str]) -> Iterator[None]:
    """Turns TensorFlow's errors in the block into ours."""
    try:
        yield
    except tf.errors.OpError as e:
        raise RunError(
            f"The transformed examples {file_pattern} cannot be read ({e.message});"
            " delete the directory that contains the split and rerun the pipeline."
        ) from e


def _nothing_in(file_pattern: str | Sequence[str]) -> RunError:
    return RunError(
        f"There are no transformed examples in {file_pattern}; use the directory of"
        " a split that Transform wrote, or rerun the pipeline."
    )


def _find(file_pattern: str | Sequence[str]) -> list[str]:
    """Lists files; only their name is a pattern, not that of their directory."""
    found = []
    for pattern in [file_pattern] if isinstance(file_pattern, str) else file_pattern:
        directory, name = os.path.split(pattern)
        if tf.io.gfile.isdir(directory):
            names = fnmatch.filter(tf.io.gfile.listdir(directory), name)
            found += [os.path.join(directory, name) for name in names]
    return found
