"""What is settled about a dataset before anything runs."""

from __future__ import annotations

import pathlib

import pytest
import tensorflow_datasets as tfds
import tiny_datasets

from components.tfds_example_gen import resolution
from components.tfds_example_gen.configs import DataConfig
from msg_modules.common.errors import ConfigError


class UncountedSwatches(tiny_datasets.Swatches):
    """How many kinds there are is not known before it is prepared."""

    FEATURES = {"photo": tiny_datasets.PHOTO, "kind": tfds.features.ClassLabel()}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    directory = tmp_path_factory.mktemp("swatches")
    tiny_datasets.Swatches(data_dir=directory).download_and_prepare()
    return directory


def _config(*values, **fields) -> DataConfig:
    """A config for images that are not square."""
    return DataConfig(*values, image_size=24, channels=3, **fields)


def _refusal(config: DataConfig) -> str:
    with pytest.raises(ConfigError) as caught:
        resolution.resolve(config)
    (line,) = str(caught.value).splitlines()
    return line


def test_the_version_and_the_classes_are_filled_in(prepared: pathlib.Path) -> None:
    settled, warning = resolution.resolve(_config("swatches", str(prepared)))
    assert settled.dataset == "swatches:2.1.0"
    assert (settled.num_classes, settled.class_names) == (3, ("0", "1", "2"))
    assert warning is None


@pytest.mark.parametrize("split", ["all[:80%]", "train[", "train[:80%]+all[5:]"])
def test_what_is_no_split_is_refused_before_anything_is_prepared(
    split: str, tmp_path: pathlib.Path
) -> None:
    line = _refusal(_config("swatches", str(tmp_path), train_split=split))
    assert repr(split) in line
    assert "train[:90%]" in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("train", "evaluation", "shared"),
    [
        ("train", "train[90%:]", "train[27:30]"),
        ("train[:90%]", "train[80%:]", "train[24:27]"),
        ("all", "test", "test[0:12]"),
        ("train+test[:6]", "test[5:]", "test[5:6]"),
        ("train[:20]+test[:4]", "test[:2]+train[15:]", "train[15:20]+test[0:2]"),
    ],
)
def test_splits_that_overlap_are_refused(
    train: str, evaluation: str, shared: str, prepared: pathlib.Path
) -> None:
    line = _refusal(_config("swatches", str(prepared), train, evaluation))
    for words in (repr(train), repr(evaluation), f"share {shared}", "train[90%:]"):
        assert words in line


@pytest.mark.parametrize(
    ("train", "evaluation", "max_examples"),
    [
        ("train[:90%]", "train[90%:]", None),
        ("train[:10]+test[:4]", "train[10:]+test[4:]", None),
        # Only what is read counts.
        ("train", "train[90%:]", 27),
    ],
)
def test_splits_that_do_not_overlap_are_taken(
    train: str, evaluation: str, max_examples: int | None, prepared: pathlib.Path
) -> None:
    resolution.resolve(
        _config("swatches", str(prepared), train, evaluation, max_examples)
    )


def test_how_many_classes_there_are_can_be_told(tmp_path: pathlib.Path) -> None:
    config = _config("uncounted_swatches", str(tmp_path))
    assert "--data.num-classes" in _refusal(config)
    config = _config("uncounted_swatches", str(tmp_path), num_classes=3)
    settled, _ = resolution.resolve(config)
    assert (settled.num_classes, settled.class_names) == (3, None)


@pytest.mark.parametrize("name", ["huggingface:mnist", "kaggle:a/b", "mine:x/y:1.0.0"])
def test_a_dataset_of_somebody_else_is_refused_at_once(
    name: str, tmp_path: pathlib.Path
) -> None:
    line = _refusal(_config(name, str(tmp_path)))
    assert repr(name) in line
    assert "namespace" in line


def test_a_directory_that_tensorflow_cannot_read_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    line = _refusal(_config("swatches", "s3://bucket/tfds"))
    assert "data.data_dir is 's3://bucket/tfds'" in line
    assert "gs://" in line
    monkeypatch.setenv("TFDS_DATA_DIR", "s3://bucket/tfds")
    assert "TFDS_DATA_DIR is 's3://bucket/tfds'" in _refusal(_config("swatches"))
