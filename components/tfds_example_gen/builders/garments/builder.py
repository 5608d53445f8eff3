"""The `garments` dataset builder."""

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds

from .drawing import CLASS_NAMES, draw_garment

_DESCRIPTION = """\
Synthetic drawings of clothes in the format of Fashion-MNIST: 28x28 grayscale
images of ten kinds of garment, light on black. A program draws them; none is a
photograph, and none comes from Fashion-MNIST. They stand in for it where there
is no network, to try out code, and say nothing about how well a model would do
on real images. The classes are balanced, and a given version contains the same
images wherever it is prepared.
"""

# The index of a split in this table is part of the seed of each of its images.
_EXAMPLES = {"train": 20_000, "test": 4_000}


class Garments(tfds.core.GeneratorBasedBuilder):
    """Draws images with the features and class names of `fashion_mnist`."""

    VERSION = tfds.core.Version("2.0.0")
    RELEASE_NOTES: ClassVar[dict[str, str]] = {
        "1.0.0": "First release: 20,000 and 4,000 drawings.",
        "2.0.0": "All drawings are new, and each fills its image.",
    }

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(
                        shape=(28, 28, 1), dtype=np.uint8, encoding_format="png"
                    ),
                    "label": tfds.features.ClassLabel(names=list(CLASS_NAMES)),
                }
            ),
            supervised_keys=("image", "label"),
            license="Apache-2.0",
        )

    def _split_generators(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, Iterator[tuple[int, dict[str, Any]]]]:
        return {split: self._generate_examples(split) for split in _EXAMPLES}

    def _generate_examples(self, split: str) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yields the examples of a split; TFDS shuffles them by their keys."""
        place = list(_EXAMPLES).index(split)
        for index in range(_EXAMPLES[split]):
            label = index % len(CLASS_NAMES)
            rng = np.random.Generator(np.random.PCG64([place, index]))
            yield index, {"image": draw_garment(label, rng), "label": label}
