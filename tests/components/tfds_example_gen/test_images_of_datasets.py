"""Which images a run makes of a dataset, settled before it starts."""

from __future__ import annotations

import pathlib

import numpy as np
import PIL.Image
import pytest
import tiny_datasets  # noqa: F401  registers small datasets

from components.tfds_example_gen import resolution
from components.tfds_example_gen.configs import DataConfig
from msg_modules.common.errors import ConfigError
from msg_modules.data.image_spec import ImageSpec


@pytest.fixture
def data_dir(tmp_path: pathlib.Path) -> str:
    directory = tmp_path / "tfds"
    directory.mkdir()
    return str(directory)


def _settled(data_dir: str, **fields) -> DataConfig:
    return resolution.resolve(DataConfig(data_dir=data_dir, **fields))[0]


@pytest.mark.parametrize("dataset", ["garments", "fashion_mnist"])
def test_clothes_are_28x28_grayscale_in_three_scales(data_dir: str, dataset: str):
    config = _settled(data_dir, dataset=dataset)

    assert config.images == ImageSpec(28, 1, 3)
    assert (config.image_key, config.label_key) == ("image", "label")
    assert config.num_classes == 10


@pytest.mark.parametrize(
    ("fields", "images"),
    [
        ({}, ImageSpec(32, 3, 3)),
        ({"channels": 1}, ImageSpec(32, 1, 3)),
        ({"image_size": 16, "scales": 2}, ImageSpec(16, 3, 2)),
        ({"scales": 4}, ImageSpec(32, 3, 4)),
    ],
    ids=["default", "channels", "size", "scales"],
)
def test_the_dataset_tells_what_the_user_does_not(
    data_dir: str, fields: dict, images: ImageSpec
):
    assert _settled(data_dir, dataset="tiles", **fields).images == images


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"dataset": "swatches"}, "24x32 pixels; use --data.image-size 24,"),
        ({"dataset": "fashion_mnist", "scales": 4}, "--data.image-size 32 or"),
        ({"dataset": "tiles", "image_size": 30, "scales": 4}, "--data.scales 2"),
        ({"dataset": "swatch_pairs"}, "--data.image-key"),
        ({"dataset": "spoken_swatches", "label_key": "word"}, "--data.class-names"),
        ({"dataset": "spoken_swatches", "label_key": "number"}, "--data.num-classes"),
        ({"dataset": "tiles", "background": "plaid"}, "data.background is 'plaid'"),
        ({"dataset": "tiles", "folder": "/missing"}, "data.folder is '/missing'"),
    ],
    ids=lambda value: value["dataset"] if isinstance(value, dict) else "",
)
def test_what_cannot_be_settled_is_refused_with_a_remedy(
    data_dir: str, fields: dict, words: str
):
    if "label_key" in fields:
        fields = {"image_size": 24, **fields}

    with pytest.raises(ConfigError) as caught:
        _settled(data_dir, **fields)

    assert words in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"dataset": "fashion_mnist"}, "28x28 grayscale at 7, 14, 28 pixels\n"),
        (
            {"dataset": "tiles", "image_size": 16, "channels": 1},
            "16x16 grayscale at 4, 8, 16 pixels; resized from 32x32; colours made grey",
        ),
        (
            {"dataset": "swatches", "image_size": 24, "fit": "pad"},
            "24x24 RGB at 6, 12, 24 pixels; padded with white to a square from 24x32\n",
        ),
    ],
    ids=["as they are", "resized", "padded"],
)
def test_what_is_done_to_the_images_is_said(
    data_dir: str, fields: dict, words: str, capsys: pytest.CaptureFixture[str]
):
    _settled(data_dir, **fields)

    assert f"Images: {words}" in capsys.readouterr().out


def test_without_labels_there_are_no_classes(data_dir: str):
    config = _settled(data_dir, dataset="unlabelled_swatches", image_size=24)

    assert (config.label_key, config.num_classes, config.class_names) == (None,) * 3


def test_strings_and_integers_are_labels_if_asked_for(data_dir: str):
    fields = {"dataset": "spoken_swatches", "image_size": 24}
    names = ("calm", "loud", "shrill")

    words = _settled(data_dir, label_key="word", class_names=names, **fields)
    numbers = _settled(data_dir, label_key="number", num_classes=3, **fields)

    assert words.num_classes == numbers.num_classes == 3
    assert words.class_names == names


def test_a_folder_becomes_a_dataset(data_dir: str, tmp_path: pathlib.Path):
    folder = tmp_path / "my shoes"
    for name in ("boots", "sandals"):
        (folder / name).mkdir(parents=True)
        for seed in range(30):
            noise = np.random.default_rng(seed).integers(0, 256, (32, 32, 3), np.uint8)
            PIL.Image.fromarray(noise).save(folder / name / f"{seed}.png")

    config = _settled(data_dir, folder=str(folder))

    assert config.dataset.startswith("folder/my_shoes-")
    assert config.images == ImageSpec(32, 3, 3)
    assert config.class_names == ("boots", "sandals")
    # A run that starts from the settled config finds the same.
    assert resolution.resolve(config)[0] == config
