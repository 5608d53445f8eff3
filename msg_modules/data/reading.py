"""Reads transformed examples."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from msg_modules.common.errors import RunError
from msg_modules.data.preprocessing import PYRAMID_KEYS, PYRAMID_SIZES

_PARSE_BATCH = 1024


def load_pyramids(file_pattern: str | Sequence[str]) -> tuple[np.ndarray, ...]:
    """Reads all pyramids of a split into memory, about 4 KB per image.

    Args:
      file_pattern: Transform's gzipped TFRecord files.

    Returns:
      float32 `[num_images, size, size, 1]` for each scale, smallest first.

    Raises:
      RunError: If there are no files or no examples, or a file is corrupt.
    """
    features = {
        key: tf.io.FixedLenFeature([size, size, 1], tf.float32)
        for key, size in zip(PYRAMID_KEYS, PYRAMID_SIZES, strict=True)
    }
    arrays = _read(file_pattern, features)
    return tuple(arrays[key] for key in PYRAMID_KEYS)


def load_labels(file_pattern: str | Sequence[str]) -> np.ndarray:
    """Reads the labels of a split, in the order of `load_pyramids`.

    Args:
      file_pattern: Transform's gzipped TFRecord files.

    Returns:
      int64 `[num_images]`.

    Raises:
      RunError: If there are no files or no examples, or a file is corrupt.
    """
    return _read(file_pattern, {"label": tf.io.FixedLenFeature([], tf.int64)})["label"]


def _read(
    file_pattern: str | Sequence[str], features: dict[str, tf.io.FixedLenFeature]
) -> dict[str, np.ndarray]:
    files = _find(file_pattern)
    try:
        batches = list(
            # A resumed training relies on the order of the images.
            tf.data.TFRecordDataset(sorted(files), compression_type="GZIP")
            .batch(_PARSE_BATCH)
            .map(
                lambda records: tf.io.parse_example(records, features),
                num_parallel_calls=tf.data.AUTOTUNE,
            )
            .as_numpy_iterator()
        )
    except tf.errors.OpError as e:
        raise RunError(
            f"The transformed examples {file_pattern} cannot be read ({e.message});"
            " delete the directory that contains the split and rerun the pipeline."
        ) from e
    if not batches:
        raise RunError(
            f"There are no transformed examples in {file_pattern}; use the directory of"
            " a split that Transform wrote, or rerun the pipeline."
        )
    return {key: np.concatenate([batch[key] for batch in batches]) for key in features}


def _find(file_pattern: str | Sequence[str]) -> list[str]:
    """Lists files; only their name is a pattern, not that of their directory."""
    found = []
    for pattern in [file_pattern] if isinstance(file_pattern, str) else file_pattern:
        directory, name = os.path.split(pattern)
        if tf.io.gfile.isdir(directory):
            names = fnmatch.filter(tf.io.gfile.listdir(directory), name)
            found += [os.path.join(directory, name) for name in names]
    return found
