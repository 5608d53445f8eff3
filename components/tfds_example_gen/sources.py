"""Finds, prepares and describes TFDS image-classification datasets."""

from __future__ import annotations

import difflib
import hashlib
import itertools
import os
import pathlib
import re
from collections.abc import Sequence
from typing import NamedTuple

import requests
import tensorflow as tf
import tensorflow_datasets as tfds
from google.protobuf import json_format

import components.tfds_example_gen.builders.garments  # noqa: F401  registers `garments` with TFDS
from msg_modules.common import console
from msg_modules.common.errors import Interrupted, RunError, root_cause

_REACHABLE_WITHIN_SECONDS = 5.0
_VERSION = re.compile(r"\d|\*|experimental_latest")


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
    _check_name(dataset)
    try:
        return tfds.builder(dataset, data_dir=data_dir)
    except tfds.core.registered.DatasetNotFoundError as e:
        name = dataset.split(":")[0].split("/")[0]
        close = difflib.get_close_matches(name, tfds.list_builders(), n=3)
        hint = f" Did you mean {', '.join(close)}?" if close else ""
        raise UnknownDataset(f"TFDS has no dataset {dataset!r}.{hint}") from e
    except (ValueError, AssertionError) as e:
        raise RunError(f"TFDS cannot load {dataset!r}: {_first_line(e)}") from e
    except (OSError, json_format.ParseError) as e:
        raise RunError(
            f"TFDS cannot read its description of {dataset!r} ({_first_line(e)});"
            f" delete the dataset's directory in {_root(data_dir)!r} so that TFDS"
            " prepares it again."
        ) from e
    except Interrupted:
        raise
    except Exception as e:  # Builders and file systems may raise anything.
        raise RunError(
            f"TFDS cannot load {dataset!r} from {_root(data_dir)!r} ({_first_line(e)});"
            " check the name and the directory, or use --verbose for details."
        ) from e


class UnknownDataset(RunError):
    """TFDS does not know a dataset by this name."""


def _root(data_dir: str | None) -> str:
    """The directory in which TFDS looks for prepared datasets."""
    default = os.environ.get("TFDS_DATA_DIR") or tfds.core.constants.DATA_DIR
    return data_dir or os.fspath(default)


def _check_name(dataset: str) -> None:
    """Rejects `namespace:name`, for which TFDS would search the Internet."""
    namespace, _, rest = dataset.partition(":")
    if rest and not _VERSION.match(rest):
        raise RunError(
            f"data.dataset is {dataset!r}, which is in the namespace {namespace!r}; it"
            " must be one of TFDS's own datasets, such as mnist or mnist:3.0.1."
        )


def _check_data_dir(data_dir: str | None) -> None:
    """Checks that a configured directory exists, since TFDS would create it."""
    asked = data_dir or os.environ.get("TFDS_DATA_DIR")
    if not asked:
        return
    source = "data.data_dir" if data_dir else "TFDS_DATA_DIR"
    scheme, separator, _ = asked.partition("://")
    if separator and scheme not in tf.io.gfile.get_registered_schemes():
        raise RunError(
            f"{source} is {asked!r}, but TensorFlow cannot read {scheme}:// here; use"
            " a local directory, a mounted one, or gs://BUCKET/DIRECTORY."
        )
    if not separator and not pathlib.Path(asked).is_dir():
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
            # Not HEAD, which some servers reject. The content is not read.
            with requests.get(
                url, timeout=_REACHABLE_WITHIN_SECONDS, stream=True
            ) as answer:
                answer.raise_for_status()
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
        # Fail now, as TFDS would retry for minutes. If the server answers, even with
        # an error, TFDS fails fast, or succeeds with a copy in its own bucket.
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
            f" {_root_of(builder)!r} ({_first_line(e)}); set"
            " --data.data-dir to a writable directory."
        ) from e
    except Interrupted:
        raise
    except Exception as e:  # Dataset builders may raise anything.
        raise RunError(
            f"{builder.info.full_name} could not be prepared: {_first_line(e)}"
        ) from e


def _root_of(builder: tfds.core.DatasetBuilder) -> str:
    """The directory of a builder's `name/version` or `name/config/version`."""
    depth = len(builder.info.full_name.split("/"))
    return os.fspath(builder.data_path.parents[depth - 1])


def class_names(builder: tfds.core.DatasetBuilder) -> tuple[str, ...] | None:
    """Returns the names of the classes; their numbers if they have none.

    Returns:
      None if the dataset does not say how many classes it has.
    """
    labels = builder.info.features[feature_keys(builder)[1]]
    return None if labels.num_classes is None else tuple(labels.names)


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


def check_split(builder: tfds.core.DatasetBuilder, split: str) -> None:
    """Checks the syntax of a split, for which the dataset need not be prepared.

    Raises:
      RunError: If it is not a split or slice.
    """
    _parse_split(builder, split)


def resolve_splits(
    builder: tfds.core.DatasetBuilder, splits: Sequence[str], max_examples: int | None
) -> list[str]:
    """Resolves splits or slices to absolute indices, limited to `max_examples`.

    Args:
      builder: A prepared dataset.
      splits: TFDS splits, such as `train[:90%]` or `train+test`.
      max_examples: Keep only the first `max_examples` of each; None keeps all.

    Returns:
      Each split as an absolute TFDS slice, such as `train[0:54000]`.

    Raises:
      RunError: If a split does not exist or is empty, or two share examples.
    """
    resolved = [_absolute(builder, split, max_examples) for split in splits]
    for one, other in itertools.combinations(range(len(splits)), 2):
        if shared := _shared(resolved[one], resolved[other]):
            raise RunError(
                f"The splits {splits[one]!r} and {splits[other]!r} of"
                f" {builder.info.full_name} share {_written(shared)}, so the generator"
                " would be evaluated on images that it was trained on; use splits that"
                " do not overlap, such as train[:90%] and train[90%:]."
            )
    return [_written(parts) for parts in resolved]


class _Part(NamedTuple):
    """Part of a split: its examples from `start` to before `end`."""

    split: str
    start: int
    end: int


def _absolute(
    builder: tfds.core.DatasetBuilder, split: str, max_examples: int | None
) -> list[_Part]:
    splits = builder.info.splits
    instruction = _parse_split(builder, split)
    try:
        found = instruction.to_absolute(splits)
    except Exception as e:  # TFDS raises many kinds.
        raise _no_split(builder, split, e) from e
    kept: list[_Part] = []
    room = max_examples
    for part in found:
        start = part.from_ or 0
        end = splits[part.splitname].num_examples if part.to is None else part.to
        if room is not None:
            end = min(end, start + room)
            room -= max(0, end - start)
        if end > start:
            kept.append(_Part(part.splitname, start, end))
    if not kept:
        raise RunError(
            f"The split {split!r} of {builder.info.full_name} is empty; choose a larger"
            " slice."
        )
    return kept


def _parse_split(
    builder: tfds.core.DatasetBuilder, split: str
) -> tfds.core.ReadInstruction:
    try:
        return tfds.core.ReadInstruction.from_spec(split)
    except Exception as e:  # TFDS raises many kinds.
        raise _no_split(builder, split, e) from e


def _no_split(
    builder: tfds.core.DatasetBuilder, split: str, error: Exception
) -> RunError:
    known = ", ".join(sorted(builder.info.splits))
    wanted = f"its splits are {known}" if known else "use a split such as train"
    return RunError(
        f"{builder.info.full_name} has no split {split!r}"
        f" ({_first_line(root_cause(error))}); {wanted}, with slices such as"
        " train[:90%]."
    )


def _shared(some: Sequence[_Part], others: Sequence[_Part]) -> list[_Part]:
    """The examples that are in both."""
    both = [
        _Part(one.split, max(one.start, other.start), min(one.end, other.end))
        for one in some
        for other in others
        if one.split == other.split
    ]
    return [part for part in both if part.start < part.end]


def _written(parts: Sequence[_Part]) -> str:
    return "+".join(f"{part.split}[{part.start}:{part.end}]" for part in parts)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:1000]
