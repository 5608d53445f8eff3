"""TFDS builders that prepare in a moment, and ways to spoil what they prepared.

TFDS registers them on import: `swatches` and its relatives are then names that
`tfds.builder` knows.
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

HEIGHT, WIDTH = 32, 24
NUM_KINDS = 3
SIZES = {"train": 30, "test": 12}

PHOTO = tfds.features.Image(shape=(HEIGHT, WIDTH, 3), encoding_format="jpeg")
KIND = tfds.features.ClassLabel(num_classes=NUM_KINDS)


class Swatches(tfds.core.GeneratorBasedBuilder):
    """Coloured noise as JPEG; nothing is named as in Fashion-MNIST."""

    VERSION = tfds.core.Version("2.1.0")
    FEATURES: ClassVar[dict[str, Any]] = {"photo": PHOTO, "kind": KIND}
    SUPERVISED_KEYS: ClassVar[tuple[str, str] | None] = ("photo", "kind")

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(self.FEATURES),
            supervised_keys=self.SUPERVISED_KEYS,
        )

    def _split_generators(self, dl_manager) -> dict[str, Iterator[Any]]:
        return {split: self._generate_examples(split) for split in SIZES}

    def _generate_examples(self, split: str) -> Iterator[tuple[int, dict[str, Any]]]:
        rng = np.random.default_rng(list(SIZES).index(split))
        for index in range(SIZES[split]):
            noise = rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
            yield index, self._example(index, noise)

    def _example(self, index: int, noise: np.ndarray) -> dict[str, Any]:
        return {"photo": noise, "kind": index % NUM_KINDS}


class SwatchPairs(Swatches):
    """Two images, and nothing tells which one is meant."""

    FEATURES = {"left": PHOTO, "right": PHOTO, "kind": KIND}
    SUPERVISED_KEYS = None

    def _example(self, index, noise):
        return {"left": noise, "right": noise, "kind": index % NUM_KINDS}


class SupervisedSwatchPairs(SwatchPairs):
    """Two images, of which the supervised keys name one."""

    SUPERVISED_KEYS = ("right", "kind")


class UnlabelledSwatches(Swatches):
    """Images with a number that is no class."""

    FEATURES = {"photo": PHOTO, "weight": np.int64}
    SUPERVISED_KEYS = ("photo", "weight")

    def _example(self, index, noise):
        return {"photo": noise, "weight": index}


class WeighedSwatches(Swatches):
    """One image and one class, but the supervised key is another feature."""

    FEATURES = {"photo": PHOTO, "kind": KIND, "weight": np.int64}
    SUPERVISED_KEYS = ("photo", "weight")

    def _example(self, index, noise):
        return {"photo": noise, "kind": index % NUM_KINDS, "weight": index}


class NamedSwatches(Swatches):
    """Classes with names; the first example of a split has no class."""

    FEATURES = {
        "photo": PHOTO,
        "kind": tfds.features.ClassLabel(names=["calm", "loud", "écru"]),
    }

    def _example(self, index, noise):
        return {"photo": noise, "kind": index % NUM_KINDS if index else -1}


class ConfiguredSwatches(Swatches):
    """In several variants."""

    BUILDER_CONFIGS = [
        tfds.core.BuilderConfig(name=name, version="2.1.0") for name in ("calm", "loud")
    ]


class RemoteSwatches(Swatches):
    """Needs a file from `url`, which a test sets."""

    url = ""

    def _split_generators(self, dl_manager):
        dl_manager.download(self.url)
        return super()._split_generators(dl_manager)


class ManualSwatches(Swatches):
    """Needs files that a person has to fetch."""

    MANUAL_DOWNLOAD_INSTRUCTIONS = "Sign the form.\nPut swatches.zip there."

    def _split_generators(self, dl_manager):
        assert dl_manager.manual_dir
        return super()._split_generators(dl_manager)


class BrittleSwatches(Swatches):
    """Raises `interruption`, while there is one, in the middle of its splits."""

    interruption: ClassVar[BaseException | None] = None

    def _example(self, index, noise):
        if self.interruption and index == SIZES["test"]:
            raise self.interruption
        return super()._example(index, noise)


def read_records(path: pathlib.Path) -> list[bytes]:
    """The records of a TFRecord file."""
    return list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())


def write_records(path: pathlib.Path, records: list[bytes]) -> None:
    """Replaces a TFRecord file; checksums are right whatever the records are."""
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)
