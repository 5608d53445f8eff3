"""What is checked of data that only the cluster has."""

from __future__ import annotations

import pytest
import tiny_datasets  # noqa: F401  registers small datasets

from components.tfds_example_gen.configs import DataConfig
from msg_modules.common.errors import ConfigError
from msg_modules.configs import ModelConfig
from pipeline.configs import PipelineConfig
from pipeline.kubeflow import remote_data

THERE = "/mnt/msg-gan/tfds"


def _check(network: str = "compact", **fields) -> DataConfig:
    model = ModelConfig(network=network)
    return remote_data.check(PipelineConfig(data=DataConfig(**fields), model=model))


@pytest.mark.parametrize(
    "fields",
    [
        {"dataset": "mine", "data_dir": THERE},
        {"dataset": "mine:1.0.0", "data_dir": THERE},
        # A version that only the cluster has.
        {"dataset": "swatches:9.0.0", "data_dir": THERE},
        {"folder": "/mnt/msg-gan/shoes"},
    ],
    ids=lambda fields: fields.get("folder") or fields["dataset"],
)
def test_data_that_only_the_cluster_has_are_read_there(
    fields: dict, capsys: pytest.CaptureFixture[str]
) -> None:
    config = DataConfig(**fields)

    assert _check(**fields) == config

    (line,) = capsys.readouterr().out.splitlines()
    assert "read on the cluster" in line
    assert (config.folder or config.dataset) in line
    with pytest.raises(ConfigError, match=r"'train\[' .*train\[:90%\]"):
        _check(**fields, train_split="train[")


def test_without_a_directory_on_the_cluster_the_dataset_must_be_known() -> None:
    with pytest.raises(ConfigError, match=r"no dataset 'mine:1\.0\.0'"):
        _check(dataset="mine:1.0.0")


def test_a_dataset_that_is_known_here_is_pinned_and_left_open() -> None:
    fields = {"image_size": 24, "data_dir": THERE}

    config = _check(dataset="swatches", **fields)

    # Another one, of other classes and colours, can be chosen for a run.
    assert config == DataConfig(dataset="swatches:2.1.0", **fields)
    assert not config.is_settled


def test_what_cannot_work_with_a_known_dataset_is_refused_here() -> None:
    with pytest.raises(ConfigError, match=r"--data\.image-size 24"):
        _check(dataset="swatches")
    with pytest.raises(ConfigError, match=r"--model\.network compact"):
        _check(network="tutorial", dataset="tiles")
