"""What can be checked of the data where a pipeline is compiled, and not where it runs.

The first step settles the rest, on the cluster.
"""

from __future__ import annotations

import dataclasses

from components.tfds_example_gen import resolution, sources
from components.tfds_example_gen.configs import DataConfig
from msg_modules.common import console
from msg_modules.common.errors import ConfigError, RunError
from msg_modules.gan import networks
from pipeline.configs import PipelineConfig


def check(config: PipelineConfig) -> DataConfig:
    """Checks the data, as far as they are known here.

    Args:
      config: As the user gave it, with directories on the cluster.

    Returns:
      The config of the data, with the version of a dataset that TFDS knows. What else
      depends on the dataset stays open: another one can be chosen for a run.

    Raises:
      ConfigError: If the dataset does not exist, a split is none, or the network cannot
        generate the images.
    """
    data = config.data
    if not _is_known(data):
        for split in (data.train_split, data.eval_split):
            try:
                sources.check_split(split)
            except RunError as e:
                raise ConfigError(str(e)) from e
        what = data.folder or f"{data.dataset} in {data.data_dir}"
        console.say(f"Images: read on the cluster from {what}, by the first step")
        return data
    settled, _ = resolution.resolve(dataclasses.replace(data, data_dir=None))
    networks.check(config.model.network, settled.images)
    return dataclasses.replace(data, dataset=settled.dataset)


def _is_known(data: DataConfig) -> bool:
    """Whether the dataset can be described without the cluster's directories."""
    if data.folder is not None:
        return False
    if data.data_dir is None:
        return True
    try:
        sources.load_builder(data.dataset, None)
    except RunError:
        return False
    return True
