"""Settling which data a run uses, before the pipeline is wired."""

from __future__ import annotations

import dataclasses

from components.tfds_example_gen import sources
from msg_modules.common.errors import ConfigError, RunError
from pipeline.configs import AUTO_DATASET, DataConfig

_WANTED, _FALLBACK = "fashion_mnist", "garments"


def resolve(config: DataConfig) -> tuple[DataConfig, str | None]:
    """Replaces `auto`, and gives the dataset its version and classes.

    The version makes the cache notice when another one is installed.

    Args:
      config: As the user gave it.

    Returns:
      The settled config, and a warning to show where `auto` fell back.

    Raises:
      ConfigError: If there is no such dataset, directory or split.
    """
    warning = None
    name = config.dataset
    try:
        if name == AUTO_DATASET:
            name = _WANTED
            if not sources.is_available(sources.load_builder(name, config.data_dir)):
                name = _FALLBACK
                warning = (
                    "Fashion-MNIST is neither prepared here nor can it be downloaded:"
                    " this run learns from 'garments', drawings made by this project."
                    " Name prepared data with TFDS_DATA_DIR or --data.data-dir."
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
