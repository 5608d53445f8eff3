from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds

import components.tfds_example_gen.builders.garments
from components.tfds_example_gen.builders.garments import builder as builder_module
from components.tfds_example_gen.builders.garments.drawing import draw_garment

PREPARED = 300


def prepare(data_dir: Path) -> tfds.core.DatasetBuilder:
    builder = tfds.builder("garments", data_dir=data_dir)
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(max_examples_per_split=PREPARED)
    )
    return builder


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tfds.core.DatasetBuilder:
    """A builder with the first examples of each split."""
    return prepare(tmp_path_factory.mktemp("garments"))


def load(
    builder: tfds.core.DatasetBuilder, split: str
) -> tuple[np.ndarray, np.ndarray]:
    examples = list(tfds.as_numpy(builder.as_dataset(split=split)))
    images = np.array([example["image"] for example in examples])
    return images, np.array([example["label"] for example in examples])


def test_the_import_registers_the_builder(tmp_path: Path) -> None:
    builder = tfds.builder("garments", data_dir=tmp_path)

    assert isinstance(builder, components.tfds_example_gen.builders.garments.Garments)
    assert builder.info.full_name == "garments/2.0.0"


def test_has_the_features_of_fashion_mnist(tmp_path: Path) -> None:
    ours = tfds.builder("garments", data_dir=tmp_path).info
    theirs = tfds.builder("fashion_mnist", data_dir=tmp_path).info

    assert ours.features.keys() == theirs.features.keys()
    assert ours.features["label"].names == theirs.features["label"].names
    assert ours.features.shape == theirs.features.shape
    assert ours.features.dtype == theirs.features.dtype
    assert ours.supervised_keys == theirs.supervised_keys


def test_says_that_the_pictures_are_drawings(tmp_path: Path) -> None:
    info = tfds.builder("garments", data_dir=tmp_path).info

    assert "none is a photograph" in " ".join(info.description.split())
    assert info.redistribution_info.license == "Apache-2.0"


def test_splits_are_complete_and_balanced_and_drawn_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []
    monkeypatch.setattr(
        builder_module, "draw_garment", lambda label, rng: drawn.append(rng.random())
    )
    garments = components.tfds_example_gen.builders.garments.Garments(data_dir=tmp_path)
    splits = garments._split_generators(dl_manager=None)

    next(splits["test"])
    assert len(drawn) == 1  # Nothing is drawn before it is asked for.

    train = list(splits["train"])
    test = [(0, {"label": 0}), *splits["test"]]
    for examples, size in ((train, 20_000), (test, 4_000)):
        labels = Counter(example["label"] for _, example in examples)
        assert len({key for key, _ in examples}) == size
        assert labels == {label: size // 10 for label in range(10)}
    assert len(set(drawn)) == 24_000  # Each picture has a seed of its own.


def test_two_preparations_give_the_same_bytes_in_the_same_order(
    prepared: tfds.core.DatasetBuilder, tmp_path: Path
) -> None:
    # Not the bytes of the files: TFDS writes the two features of an example in
    # an order that changes from one to the next.
    def stored(
        builder: tfds.core.DatasetBuilder, split: str
    ) -> list[tuple[bytes, int]]:
        raw = {"image": tfds.decode.SkipDecoding()}
        examples = tfds.as_numpy(builder.as_dataset(split=split, decoders=raw))
        return [(example["image"], int(example["label"])) for example in examples]

    again = prepare(tmp_path)

    for split in ("train", "test"):
        assert stored(prepared, split)[0][0].startswith(b"\x89PNG")
        assert stored(prepared, split) == stored(again, split)


def test_prepared_pictures_are_the_drawings(prepared: tfds.core.DatasetBuilder) -> None:
    images, labels = load(prepared, "train")
    first = draw_garment(0, np.random.Generator(np.random.PCG64([0, 0])))

    assert images.shape == (PREPARED, 28, 28, 1)
    assert images.dtype == np.uint8
    assert Counter(labels.tolist()) == {label: PREPARED // 10 for label in range(10)}
    (place,) = np.flatnonzero((images == first).all(axis=(1, 2, 3)))
    assert labels[place] == 0


def test_classes_come_in_no_order(prepared: tfds.core.DatasetBuilder) -> None:
    _, labels = load(prepared, "train")
    steps = np.diff(labels) % 10

    # In the order of drawing every step would be 1; by chance one in ten is.
    assert (steps == 1).mean() < 0.3
    assert (steps == 0).mean() < 0.3


def test_train_and_test_share_no_picture(prepared: tfds.core.DatasetBuilder) -> None:
    pictures = [
        image.tobytes()
        for split in ("train", "test")
        for image in load(prepared, split)[0]
    ]

    assert len(set(pictures)) == 2 * PREPARED


def test_slices_of_a_split_are_its_parts(prepared: tfds.core.DatasetBuilder) -> None:
    images, labels = load(prepared, "train")
    head, head_labels = load(prepared, "train[:50]")
    tail, tail_labels = load(prepared, "train[50:]")

    np.testing.assert_array_equal(np.concatenate([head, tail]), images)
    np.testing.assert_array_equal(np.concatenate([head_labels, tail_labels]), labels)
    assert len(load(prepared, "test[20%:50%]")[1]) == PREPARED * 3 // 10
