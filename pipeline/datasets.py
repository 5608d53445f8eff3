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
      ConfigError: If the dataset, its directory or a split does not exist.
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
        _, label_key = sources.feature_keys(builder)
        if builder.is_prepared():
            for split in (config.train_split, config.eval_split):
                sources.resolve_split(builder, split, config.max_examples)
    except RunError as e:
        raise ConfigError(str(e)) from e
    labels = builder.info.features[label_key]
    settled = dataclasses.replace(
        config,
        dataset=f"{builder.name}:{builder.version}"
        if builder.builder_config is None
        else f"{builder.name}/{builder.builder_config.name}:{builder.version}",
        num_classes=config.num_classes or labels.num_classes,
        class_names=config.class_names or tuple(labels.names),
    )
    return settled, warning
