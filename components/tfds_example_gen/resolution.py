"""Settles which images and classes a run uses, by looking at the dataset."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

from components.tfds_example_gen import sources
from components.tfds_example_gen.configs import AUTO_DATASET, DataConfig
from msg_modules.common import console
from msg_modules.common.errors import ConfigError, RunError
from msg_modules.data.image_spec import nearest_sizes

_WANTED, _FALLBACK = "fashion_mnist", "garments"


def resolve(config: DataConfig) -> tuple[DataConfig, str | None]:
    """Settles the dataset, and fills in its version, its images and its classes.

    A folder becomes a TFDS dataset first.

    The version is part of the cache key, so installing another one is a cache miss.

    Args:
      config: As the user gave it.

    Returns:
      The resolved config, and a warning if `auto` fell back to `garments`.

    Raises:
      ConfigError: If the dataset, its directory or a split does not exist, the splits
        overlap, or the number of classes is unknown.
    """
    warning = None
    name = config.dataset
    try:
        if config.folder is not None:
            name = sources.prepare_folder(
                config.folder, config.data_dir, config.max_broken
            )
        elif name == AUTO_DATASET:
            name = _WANTED
            if not sources.is_available(sources.load_builder(name, config.data_dir)):
                name = _FALLBACK
                warning = (
                    "Fashion-MNIST is not prepared and cannot be downloaded; this run"
                    " trains on 'garments', synthetic drawings, instead. Set"
                    " TFDS_DATA_DIR or --data.data-dir to use prepared data."
                )
        builder = sources.load_builder(name, config.data_dir)
        image_key, label_key = sources.feature_keys(
            builder, config.image_key, config.label_key
        )
        splits = (config.train_split, config.eval_split)
        for split in splits:
            sources.check_split(split, builder)
        if builder.is_prepared():
            sources.resolve_splits(builder, splits, config.max_examples)
    except RunError as e:
        raise ConfigError(str(e)) from e
    features = builder.info.features
    size, channels = _size_and_channels(features[image_key].shape, config, name)
    num_classes, class_names = _classes(
        label_key and features[label_key], config, builder.info.full_name
    )
    settled = dataclasses.replace(
        config,
        dataset=f"{builder.name}:{builder.version}"
        if builder.builder_config is None
        else f"{builder.name}/{builder.builder_config.name}:{builder.version}",
        image_size=size,
        channels=channels,
        image_key=image_key,
        label_key=label_key,
        num_classes=num_classes,
        class_names=class_names,
    )
    preparation = _describe(settled, features[image_key].shape)
    console.say(f"Images: {preparation}")
    return dataclasses.replace(settled, preparation=preparation), warning


def _describe(config: DataConfig, shape: tuple[int | None, ...]) -> str:
    """Says what the images will be, and what is done to those of the dataset.

    Args:
      config: The settled config.
      shape: Height, width and channels of the dataset's images; None if they differ.
    """
    images = config.images
    height, width, channels = shape
    parts = [f"{images} at {', '.join(map(str, images.sizes))} pixels"]
    if height != width or height is None:
        seen = f"{width}x{height}" if height and width else "several sizes"
        done = (
            "cropped to the centre square"
            if config.fit == "crop"
            else f"padded with {config.background} to a square"
        )
        parts.append(f"{done} from {seen}")
    elif height != images.size:
        parts.append(f"resized from {width}x{height}")
    if images.channels == 1 and channels != 1:
        parts.append("colours made grey")
    if config.folder is not None or channels not in (1, 3):
        parts.append(f"transparency shown on {config.background}")
    return "; ".join(parts)


def _classes(
    label: Any, config: DataConfig, dataset: str
) -> tuple[int | None, tuple[str, ...] | None]:
    """Settles the number of classes and their names; None and None without labels.

    Args:
      label: The TFDS feature; None if there are no labels.
      config: As the user gave it.
      dataset: Name of the dataset.

    Raises:
      ConfigError: If the classes are neither known nor given.
    """
    names = config.class_names
    if label is None:
        return None, None
    if sources.is_class_label(label):
        if label.num_classes is not None:
            return config.num_classes or label.num_classes, names or tuple(label.names)
        if config.num_classes is None:
            raise ConfigError(
                f"{dataset} does not say how many classes it has; set"
                " --data.num-classes."
            )
    if sources.is_text(label) and not names:
        raise ConfigError(
            f"data.label_key is {config.label_key!r}, a string, and data.class_names"
            " is not set; list the strings with --data.class-names."
        )
    num_classes = config.num_classes or (len(names) if names else None)
    if num_classes is None:
        raise ConfigError(
            f"data.label_key is {config.label_key!r}, an integer, and data.num_classes"
            " is not set; use --data.num-classes with the largest label plus one."
        )
    return num_classes, names


def _size_and_channels(
    shape: tuple[int | None, ...], config: DataConfig, dataset: str
) -> tuple[int, Literal[1, 3]]:
    """Settles what the config leaves open, from the shape of the dataset's images.

    Raises:
      ConfigError: If the shape does not tell.
    """
    height, width, channels = shape
    size = config.image_size
    if size is None:
        if height is None or height != width:
            seen = f"{width}x{height} pixels" if height and width else "several sizes"
            proposals = nearest_sizes(min(height or 64, width or 64), config.scales)
            flags = " or ".join(f"--data.image-size {fitting}" for fitting in proposals)
            raise ConfigError(
                f"data.image_size is not set and the images of {dataset} have"
                f" {seen}; use {flags}, with --data.fit crop or pad."
            )
        size = height
    if config.channels is not None:
        return size, config.channels
    if channels is None:
        raise ConfigError(
            f"data.channels is not set and the images of {dataset} may be"
            " grayscale or colour; use --data.channels 1 or --data.channels 3."
        )
    return size, 1 if channels < 3 else 3
