"""Reads transformed examples."""

from __future__ import annotations

import contextlib
import fnmatch
import math
import os
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from msg_modules.common.errors import ConfigError, RunError, root_message
from msg_modules.data import manifest
from msg_modules.data.examples import Examples
from msg_modules.data.image_spec import ImageSpec, image_key
from msg_modules.data.mapped import MappedRows, no_space
from msg_modules.data.preprocessing import LABEL, scale, unscale

_PARSE_BATCH = 1024
_PARSE_BYTES = 2**24
_ROUNDED = "rounded"
# In [-1, 1], far below the distance between two levels.
_TOLERANCE = 1e-4


def load_examples(
    file_pattern: str | Sequence[str], max_examples: int | None = None
) -> Examples:
    """Copies the images and labels of a split to temporary files, and maps them.

    Args:
      file_pattern: Transform's gzipped TFRecord files.
      max_examples: How many to read at most; None for all.

    Returns:
      The examples in the order of the files' names. They tell which scales there are,
      and whether there are labels.

    Raises:
      RunError: If there are no files or no examples, a file is corrupt, or there is no
        space for temporary files.
    """
    spec = read_spec(file_pattern)
    key, shape = list(spec.shapes.items())[-1]
    features = {key: tf.io.FixedLenFeature(shape, tf.float32)}
    if LABEL in _first_features(file_pattern):
        features[LABEL] = tf.io.FixedLenFeature([], tf.int64)
    try:
        images, labels = MappedRows(shape, np.uint8), MappedRows([], np.int64)
        for batch in _parsed(file_pattern, features, max_examples):
            if not batch[_ROUNDED] < _TOLERANCE:
                raise RunError(
                    f"The transformed examples {file_pattern} are not images of 8 bits:"
                    f" rounding changes them by {batch[_ROUNDED]:.2g}; rerun the"
                    " pipeline to make them again."
                )
            images.append(batch[key])
            labels.append(batch.get(LABEL, np.empty([0])))
        return Examples(
            images.finish(), labels.finish() if LABEL in features else None, spec
        )
    except OSError as e:
        each = math.prod(shape) + 8 * (LABEL in features)
        raise no_space(
            each * _count(file_pattern, max_examples), "training images", e
        ) from e


def read_spec(file_pattern: str | Sequence[str]) -> ImageSpec:
    """Describes the images of a split by the features of its first example.

    Args:
      file_pattern: Transform's gzipped TFRecord files.

    Raises:
      RunError: If there are no files or no examples, or a file is corrupt.
    """
    with _told(file_pattern):
        for pattern in _patterns(file_pattern):
            artifact, split = os.path.split(os.path.dirname(pattern))
            manifest.check(artifact, split)
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
        record = next(iter(_records(file_pattern, 1)), None)
        if record is None:
            raise _nothing_in(file_pattern)
        return tf.train.Example.FromString(record.numpy()).features.feature


def _parsed(
    file_pattern: str | Sequence[str],
    features: dict[str, tf.io.FixedLenFeature],
    max_examples: int | None,
) -> Iterator[dict[str, np.ndarray]]:
    """Yields batches of examples, whose first feature is rounded to 8 bits."""
    key = next(iter(features))

    def parse(records: tf.Tensor) -> dict[str, tf.Tensor]:
        parsed = tf.io.parse_example(records, features)
        images = parsed[key]
        levels = unscale(images)
        rounded = tf.reduce_max(tf.abs(scale(levels) - images))
        return {**parsed, key: levels, _ROUNDED: rounded}

    num_values = math.prod(features[key].shape)
    with _told(file_pattern):
        yield from (
            _records(file_pattern, max_examples)
            .batch(max(1, min(_PARSE_BATCH, _PARSE_BYTES // (4 * num_values))))
            .map(parse, num_parallel_calls=tf.data.AUTOTUNE)
            .as_numpy_iterator()
        )


def _count(file_pattern: str | Sequence[str], max_examples: int | None) -> int:
    with _told(file_pattern):
        records = _records(file_pattern, max_examples)
        count = records.reduce(np.int64(0), lambda count, _: count + 1)
    return int(count)


def _records(
    file_pattern: str | Sequence[str], max_examples: int | None = None
) -> tf.data.Dataset:
    files = _find(file_pattern)
    # A resumed training relies on the order of the images.
    records = tf.data.TFRecordDataset(sorted(files), compression_type="GZIP")
    return records.take(-1 if max_examples is None else max_examples)


@contextlib.contextmanager
def _told(file_pattern: str | Sequence[str]) -> Iterator[None]:
    """Turns TensorFlow's errors in the block into ours."""
    try:
        yield
    except (tf.errors.OpError, DecodeError) as e:
        raise RunError(
            f"The transformed examples {file_pattern} cannot be read"
            f" ({root_message(e)}); delete the directory that contains the split and"
            " rerun the pipeline."
        ) from e


def _nothing_in(file_pattern: str | Sequence[str]) -> RunError:
    return RunError(
        f"There are no transformed examples in {file_pattern}; use the directory of"
        " a split that Transform wrote, or rerun the pipeline."
    )


def _find(file_pattern: str | Sequence[str]) -> list[str]:
    """Lists files; only their name is a pattern, not that of their directory."""
    found = []
    for pattern in _patterns(file_pattern):
        directory, name = os.path.split(pattern)
        if tf.io.gfile.isdir(directory):
            names = fnmatch.filter(tf.io.gfile.listdir(directory), name)
            found += [os.path.join(directory, name) for name in names]
    return found


def _patterns(file_pattern: str | Sequence[str]) -> Sequence[str]:
    return [file_pattern] if isinstance(file_pattern, str) else file_pattern
