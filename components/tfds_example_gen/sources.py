"""Finds, prepares and describes TFDS image-classification datasets."""

from __future__ import annotations

import difflib
import hashlib
import os
import pathlib

import requests
import tensorflow as tf
import tensorflow_datasets as tfds
from google.protobuf import json_format

import components.tfds_example_gen.builders.garments  # noqa: F401  registers `garments` with TFDS
from msg_modules.common import console
from msg_modules.common.errors import Interrupted, RunError

_REACHABLE_WITHIN_SECONDS = 5.0


def load_builder(dataset: str, data_dir: str | None) -> tfds.core.DatasetBuilder:
    """Loads a dataset's builder without preparing the dataset.

    Args:
      dataset: TFDS name, optionally with config and version.
      data_dir: Directory of prepared datasets; None for TFDS's default.

    Returns:
      The dataset's builder.

    Raises:
      RunError: If the dataset, version or directory does not exist, or TFDS's
        description of the dataset cannot be read.
    """
    _check_data_dir(data_dir)
    try:
        return tfds.builder(dataset, data_dir=data_dir)
    except tfds.core.registered.DatasetNotFoundError as e:
        name = dataset.split(":")[0].split("/")[0]
        close = difflib.get_close_matches(name, tfds.list_builders(), n=3)
        hint = f" Did you mean {', '.join(close)}?" if close else ""
        raise RunError(f"TFDS has no dataset {dataset!r}.{hint}") from e
    except (ValueError, AssertionError) as e:
        raise RunError(f"TFDS cannot load {dataset!r}: {_first_line(e)}") from e
    except (OSError, json_format.ParseError) as e:
        root = (
            data_dir or os.environ.get("TFDS_DATA_DIR") or tfds.core.constants.DATA_DIR
        )
        raise RunError(
            f"TFDS cannot read its description of {dataset!r} ({_first_line(e)});"
            f" delete the dataset's directory in {str(root)!r} so that TFDS prepares"
            " it again."
        ) from e


def _check_data_dir(data_dir: str | None) -> None:
    """Checks that a configured directory exists, since TFDS would create it."""
    asked = data_dir or os.environ.get("TFDS_DATA_DIR")
    if asked and "://" not in asked and not pathlib.Path(asked).is_dir():
        source = "data.data_dir" if data_dir else "TFDS_DATA_DIR"
        raise RunError(
            f"{source} is {asked!r}, which is not a directory; create it, or use the"
            " directory that contains the prepared TFDS datasets."
        )


def is_available(builder: tfds.core.DatasetBuilder) -> bool:
    """Whether a dataset is prepared, or its files can currently be downloaded."""
    return builder.is_prepared() or _why_unreachable(builder) is None


def _why_unreachable(
    builder: tfds.core.DatasetBuilder,
) -> requests.RequestException | None:
    """The error when requesting the dataset's files, if any."""
    try:
        for url in builder.url_infos or {}:
            requests.head(
                url, timeout=_REACHABLE_WITHIN_SECONDS, allow_redirects=True
            ).raise_for_status()
    except requests.RequestException as e:
        return e
    return None


def prepare(builder: tfds.core.DatasetBuilder) -> None:
    """Downloads and prepares a dataset, unless it is prepared already.

    TFDS prepares in a temporary directory and renames it at the end, so an interrupted
    preparation is simply repeated.

    Raises:
      RunError: If the dataset cannot be downloaded or written.
    """
    if builder.is_prepared():
        return
    if builder.data_path.exists():  # TFDS would consider it prepared.
        raise RunError(
            f"{builder.info.full_name} is only partially prepared; delete"
            f" {str(builder.data_path)!r} so that TFDS prepares it again."
        )
    unreachable = _why_unreachable(builder)
    if isinstance(unreachable, (requests.ConnectionError, requests.Timeout)):
        # Fail now, as TFDS would retry for minutes. Any HTTP response, even an error,
        # is inconclusive: some servers reject HEAD.
        raise _not_downloaded(builder, unreachable)
    if not console.is_terminal():
        tfds.disable_progress_bar()
    try:
        builder.download_and_prepare()
    except (requests.RequestException, tfds.download.DownloadError) as e:
        raise _not_downloaded(builder, e) from e
    except OSError as e:
        raise RunError(
            f"{builder.info.full_name} could not be prepared in"
            f" {str(builder.data_path.parent.parent)!r} ({_first_line(e)}); set"
            " --data.data-dir to a writable directory."
        ) from e
    except Interrupted:
        raise
    except Exception as e:  # Dataset builders may raise anything.
        raise RunError(
            f"{builder.info.full_name} could not be prepared: {_first_line(e)}"
        ) from e


def fingerprint(builder: tfds.core.DatasetBuilder) -> str:
    """Fingerprints the current files of a prepared dataset, without reading them.

    It covers the directory and each file's name, size, mtime and ctime in nanoseconds:
    a file cannot be replaced or edited without changing one of them. For files in a
    bucket it covers name, size and mtime.

    Args:
      builder: A prepared dataset.

    Returns:
      16 hexadecimal digits.
    """
    root = os.fspath(builder.data_path)
    digest = hashlib.sha256()
    for directory, _, names in sorted(tf.io.gfile.walk(root)):
        for name in sorted(names):
            path = f"{directory}/{name}"
            digest.update(f"{path}\0{_state(path)}\0".encode())
    return digest.hexdigest()[:16]


def _state(path: str) -> tuple[int, ...]:
    if "://" in path:
        remote = tf.io.gfile.stat(path)
        return remote.length, remote.mtime_nsec
    local = os.stat(path)
    return local.st_size, local.st_mtime_ns, local.st_ctime_ns


def _not_downloaded(
    builder: tfds.core.DatasetBuilder, error: BaseException
) -> RunError:
    return RunError(
        f"{builder.info.full_name} could not be downloaded ({_first_line(error)});"
        " prepare it on a machine with network access and set --data.data-dir to its"
        " directory, or use --data.dataset garments, which needs no network."
    )


def feature_keys(builder: tfds.core.DatasetBuilder) -> tuple[str, str]:
    """Returns the names of the image and the label feature.

    Raises:
      RunError: If the dataset does not have exactly one of each and does not say which
        to use (`supervised_keys`).
    """
    features = builder.info.features
    image, label = (
        _keys_of(features, tfds.features.Image),
        _keys_of(features, tfds.features.ClassLabel),
    )
    supervised = builder.info.supervised_keys
    if supervised and supervised[0] in image and supervised[1] in label:
        return supervised[0], supervised[1]
    if len(image) != 1 or len(label) != 1:
        raise RunError(
            f"{builder.info.full_name} has the image features {image} and the"
            f" class-label features {label}; the pipeline needs one of each."
        )
    return image[0], label[0]


def _keys_of(features: object, kind: type) -> list[str]:
    if not isinstance(features, tfds.features.FeaturesDict):
        return []
    return [key for key, feature in features.items() if isinstance(feature, kind)]


def resolve_split(
    builder: tfds.core.DatasetBuilder, split: str, max_examples: int | None
) -> str:
    """Resolves a split or slice to absolute indices, limited to `max_examples`.

    Args:
      builder: A prepared dataset.
      split: TFDS split, such as `train[:90%]` or `train+test`.
      max_examples: Keep only the first `max_examples`; None keeps all.

    Returns:
      The split as an absolute TFDS slice, such as `train[0:54000]`.

    Raises:
      RunError: If the split does not exist or is empty.
    """
    splits = builder.info.splits
    try:
        parts = tfds.core.ReadInstruction.from_spec(split).to_absolute(splits)
    except (ValueError, KeyError, AssertionError) as e:
        raise RunError(
            f"{builder.info.full_name} has no split {split!r} ({_first_line(e)});"
            f" its splits are {', '.join(sorted(splits))}, with slices such as"
            " train[:90%]."
        ) from e
    kept: list[str] = []
    room = max_examples
    for part in parts:
        start = part.from_ or 0
        end = splits[part.splitname].num_examples if part.to is None else part.to
        if room is not None:
            end = min(end, start + room)
            room -= max(0, end - start)
        if end > start:
            kept.append(f"{part.splitname}[{start}:{end}]")
    if not kept:
        raise RunError(
            f"The split {split!r} of {builder.info.full_name} is empty; choose a larger"
            " slice."
        )
    return "+".join(kept)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:1000]
