"""What the tests of the components share."""

from __future__ import annotations

import itertools
import pathlib
import shutil

import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
import tiny_datasets
from tfx.dsl.components.base import base_beam_executor
from tfx.types import artifact_utils, standard_artifacts

from components.tfds_example_gen import executor
from components.tfds_example_gen.configs import DataConfig


@pytest.fixture(scope="session")
def beam_context(tmp_path_factory):
    """What TFX hands an executor that runs on Beam."""
    return base_beam_executor.BaseBeamExecutor.Context(
        beam_pipeline_args=["--runner=FnApiRunner", "--sdk_container_image=unused"],
        tmp_dir=str(tmp_path_factory.mktemp("beam")),
        unique_id="1",
    )


@pytest.fixture(scope="session")
def example_gen(beam_context):
    """One executor for all tests."""
    return executor.Executor(beam_context)


@pytest.fixture
def ingest(example_gen, tmp_path):
    """Runs TfdsExampleGen's executor and returns the artifact."""
    count = itertools.count()

    def run(
        dataset,
        data_dir,
        train_split="train",
        eval_split="test",
        max_examples=None,
        **fields,
    ):
        config = DataConfig(
            dataset=dataset,
            data_dir=None if data_dir is None else str(data_dir),
            train_split=train_split,
            eval_split=eval_split,
            max_examples=max_examples,
            # Needed by images that are not square; examples keep their own size.
            image_size=24,
            channels=3,
            **fields,
        )
        examples = standard_artifacts.Examples()
        examples.uri = str(tmp_path / f"examples-{next(count)}")
        example_gen.Do(
            {},
            {"examples": [examples]},
            {"config": config.to_json()},
        )
        return examples

    return run


@pytest.fixture
def read_split():
    """Reads the `tf.Example`s of a split of an artifact."""

    def read(examples, split):
        directory = pathlib.Path(artifact_utils.get_split_uri([examples], split))
        files = sorted(str(path) for path in directory.iterdir())
        records = tf.data.TFRecordDataset(files, compression_type="GZIP")
        return [tf.train.Example.FromString(r) for r in records.as_numpy_iterator()]

    return read


@pytest.fixture(scope="session")
def prepared_swatches(tmp_path_factory):
    """A TFDS directory with `swatches`; copy it before you change it."""
    directory = tmp_path_factory.mktemp("swatches")
    tiny_datasets.Swatches(data_dir=directory).download_and_prepare(
        download_config=tfds.download.DownloadConfig(num_shards=1)
    )
    return directory


@pytest.fixture
def swatches_dir(prepared_swatches, tmp_path):
    """A TFDS directory with `swatches` that a test may spoil."""
    return shutil.copytree(prepared_swatches, tmp_path / "tfds")
