"""Resolves the dataset before the pipeline is created."""

from __future__ import annotations

import dataclasses

from components.tfds_example_gen import sources
from msg_modules.common.errors import ConfigError, RunError
from pipeline.configs import AUTO_DATASET, DataConfig

_WANTED, _FALLBACK = "fashion_mnist", "garments"


def resolve(config: DataConfig) -> tuple[DataConfig, str | None]:
    """Resolves `auto`, and fills in the dataset's version and classes.

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
        if name == AUTO_DATASET:
            name = _WANTED
            if not sources.is_available(sources.load_builder(name, config.data_dir)):
                name = _FALLBACK
                warning = (
                    "Fashion-MNIST is not prepared and cannot be downloaded; this run"
                    " trains on 'garments', synthetic drawings, instead. Set"
                    " TFDS_DATA_DIR or --data.data-dir to use prepared data."
                )
        builder = sources.load_builder(name, config.data_dir)
        names = sources.class_names(builder)
        splits = (config.train_split, config.eval_split)
        for split in splits:
            sources.check_split(builder, split)
        if builder.is_prepared():
            sources.resolve_splits(builder, splits, config.max_examples)
    except RunError as e:
        raise ConfigError(str(e)) from e
    if names is None and config.num_classes is None:
        raise ConfigError(
            f"{builder.info.full_name} does not say how many classes it has; set"
            " --data.num-classes."
        )
    settled = dataclasses.replace(
        config,
        dataset=f"{builder.name}:{builder.version}"
        if builder.builder_config is None
        else f"{builder.name}/{builder.builder_config.name}:{builder.version}",
        num_classes=config.num_classes or len(names or ()),
        class_names=config.class_names or names,
    )
    return settled, warning


def resolve_elsewhere(config: DataConfig) -> DataConfig:
    """Resolves a dataset that the steps on a cluster read, from a directory there.

    Args:
      config: As the user gave it. A dataset that exists in `data_dir` only must be
        given with its version and its number of classes.

    Returns:
      The resolved config.

    Raises:
      ConfigError: As `resolve`.
    """
    try:
        settled, _ = resolve(dataclasses.replace(config, data_dir=None))
    except ConfigError as e:
        if config.data_dir is None or not isinstance(
            e.__cause__, sources.UnknownDataset
        ):
            raise
        if ":" not in config.dataset or config.num_classes is None:
            raise ConfigError(
                f"{e} If it is in {config.data_dir!r} on the cluster, give its version,"
                f" as in {config.dataset.split(':')[0]}:1.0.0, and its number of"
                " classes, --data.num-classes."
            ) from e
        return config
    return dataclasses.replace(settled, data_dir=config.data_dir)
