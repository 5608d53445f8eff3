"""Finds, prepares and describes TFDS image-classification datasets."""

from __future__ import annotations

import difflib
import hashlib
import itertools
import os
import pathlib
import re
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
import requests
import tensorflow as tf
import tensorflow_datasets as tfds
from google.protobuf import json_format

import components.tfds_example_gen.builders.garments  # noqa: F401  registers `garments` with TFDS
from components.tfds_example_gen.builders import image_folder
from msg_modules.common import console
from msg_modules.common.errors import Interrupted, RunError, root_cause

_REACHABLE_WITHIN_SECONDS = 5.0
_VERSION = re.compile(r"\d|\*|experimental_latest")


def _no_metadata_from_gcs(info: tfds.core.DatasetInfo) -> None:
    """TFDS no longer reads it, but leaves a temporary directory for it each time."""


tfds.core.DatasetInfo.initialize_from_bucket = _no_metadata_from_gcs


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
        raise RunError(f"TFDS has no dataset {dataset!r}.{hint}") from e
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
    except (Interrupted, RunError):
        raise
    except Exception as e:  # Dataset builders may raise anything.
        raise RunError(
            f"{builder.info.full_name} could not be prepared: {_first_line(e)}"
        ) from e


def _root_of(builder: tfds.core.DatasetBuilder) -> str:
    """The directory of a builder's `name/version` or `name/config/version`."""
    depth = len(builder.info.full_name.split("/"))
    return os.fspath(builder.data_path.parents[depth - 1])


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


def feature_keys(
    builder: tfds.core.DatasetBuilder,
    image_key: str | None = None,
    label_key: str | None = None,
) -> tuple[str, str | None]:
    """Returns the names of the image and the label feature.

    Args:
      builder: The dataset.
      image_key: The image feature; None for the dataset's supervised one, or its only
        one.
      label_key: The label feature: class labels, integers or strings. None for the
        dataset's supervised or only class labels.

    Returns:
      The names; the second is None if the images have no labels.

    Raises:
      RunError: If there is no such feature, or several to choose from.
    """
    image = _choose(builder, "image", image_key, is_image)
    label = _choose(builder, "label", label_key, is_label, is_class_label)
    if image is None:
        raise RunError(
            f"{builder.info.full_name} has no images; use a TFDS image dataset."
        )
    return image, label


def is_image(feature: object) -> bool:
    """Whether a TFDS feature is an image."""
    return isinstance(feature, tfds.features.Image)


def is_class_label(feature: object) -> bool:
    """Whether a TFDS feature is a class, which knows the number of classes."""
    return isinstance(feature, tfds.features.ClassLabel)


def is_text(feature: object) -> bool:
    """Whether a TFDS feature is a string."""
    return isinstance(feature, tfds.features.FeatureConnector) and (
        feature.shape == () and feature.dtype in (tf.string, np.str_, np.object_)
    )


def is_label(feature: object) -> bool:
    """Whether a TFDS feature can be a label: a class, an integer or a string."""
    if is_class_label(feature) or is_text(feature):
        return True
    return isinstance(feature, tfds.features.FeatureConnector) and (
        feature.shape == () and tf.as_dtype(feature.dtype).is_integer
    )


def _choose(
    builder: tfds.core.DatasetBuilder,
    role: Literal["image", "label"],
    asked: str | None,
    fits: Callable[[object], bool],
    fits_unasked: Callable[[object], bool] | None = None,
) -> str | None:
    """Returns the feature that was asked for, the supervised one, or the only one."""
    features = builder.info.features
    all_features = (
        dict(features.items())
        if isinstance(features, tfds.features.FeaturesDict)
        else {}
    )
    if asked is not None:
        possible = [key for key, feature in all_features.items() if fits(feature)]
        if asked not in possible:
            raise RunError(
                f"data.{role}_key is {asked!r}, but the {role} features of"
                f" {builder.info.full_name} are {possible}; use one of them."
            )
        return asked
    fits = fits_unasked or fits
    possible = [key for key, feature in all_features.items() if fits(feature)]
    supervised = builder.info.supervised_keys
    if supervised and supervised[role == "label"] in possible:
        return supervised[role == "label"]
    if len(possible) > 1:
        raise RunError(
            f"{builder.info.full_name} has the {role} features {possible}; choose one"
            f" with --data.{role}-key."
        )
    return possible[0] if possible else None


def prepare_folder(folder: str, data_dir: str | None, max_broken: float) -> str:
    """Makes a TFDS dataset of a folder of images, unless that has been done.

    Args:
      folder: The folder.
      data_dir: Directory of prepared datasets; None for TFDS's default.
      max_broken: Largest fraction of files that may be broken, in [0, 1).

    Returns:
      The dataset's name, for `load_builder`.

    Raises:
      RunError: If it is not a folder with images, more files are broken, or the
        dataset cannot be written.
    """
    path = pathlib.Path(folder).expanduser()
    if "://" in folder or not path.is_dir():
        raise RunError(
            f"data.folder is {folder!r}, which is not a directory on this machine; use"
            " one that contains images."
        )
    _check_data_dir(data_dir)
    path = path.resolve()
    dataset = image_folder.dataset_name(path)
    try:
        builder = tfds.builder(dataset, data_dir=data_dir)
        if builder.is_prepared():
            return dataset
    except tfds.core.registered.DatasetNotFoundError:
        pass
    console.say(f"Preparing the images of {str(path)!r} ...")
    folder_builder = image_folder.make_builder(dataset, path, data_dir, max_broken)
    prepare(folder_builder)
    scan = folder_builder.scan
    if scan.broken:
        console.warn(
            f"{len(scan.broken):,} file(s) in {str(path)!r} cannot be read and were"
            f" skipped ({scan.describe_broken()})."
        )
    return dataset


def check_split(split: str, builder: tfds.core.DatasetBuilder | None = None) -> None:
    """Checks the syntax of a split, for which the dataset need not be prepared.

    Args:
      split: A TFDS split or slice.
      builder: The dataset, for the error message; None if it is not known.

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
    builder: tfds.core.DatasetBuilder | None, split: str
) -> tfds.core.ReadInstruction:
    try:
        return tfds.core.ReadInstruction.from_spec(split)
    except Exception as e:  # TFDS raises many kinds.
        raise _no_split(builder, split, e) from e


def _no_split(
    builder: tfds.core.DatasetBuilder | None, split: str, error: Exception
) -> RunError:
    name = builder.info.full_name if builder else "The dataset"
    known = ", ".join(sorted(builder.info.splits)) if builder else ""
    wanted = f"its splits are {known}" if known else "use a split such as train"
    return RunError(
        f"{name} has no split {split!r}"
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
