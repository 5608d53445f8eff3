"""The description of a run's dataset, which travels with the artifacts.

It is settled when a run starts. The examples carry it to the schema, and the schema to
everything else.
"""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

from msg_modules.common.errors import RunError
from msg_modules.data.image_spec import ImageSpec

if TYPE_CHECKING:
    from tfx import types

_PROPERTY = "dataset_spec"


@dataclasses.dataclass(frozen=True)
class DatasetSpec:
    """What later steps need to know about a dataset.

    Attributes:
      name: TFDS name with version.
      images: The images to make of it.
      preparation: What is done to its images, in words.
      num_classes: None without labels.
      class_names: In the order of the labels; fewer than classes, or none, if they
        have no names.
    """

    name: str
    images: ImageSpec
    preparation: str = ""
    num_classes: int | None = None
    class_names: tuple[str, ...] = ()

    @property
    def label_names(self) -> tuple[str, ...]:
        """A name for each class, its number if it has none; empty without labels."""
        return tuple(
            self.class_names[label] if label < len(self.class_names) else str(label)
            for label in range(self.num_classes or 0)
        )

    def attach(self, artifact: types.Artifact) -> None:
        """Adds the description to an artifact, as a custom property."""
        artifact.set_string_custom_property(
            _PROPERTY, json.dumps(dataclasses.asdict(self))
        )

    @classmethod
    def of(cls, artifact: types.Artifact) -> DatasetSpec:
        """Reads the description that `attach` added.

        Raises:
          RunError: If there is none.
        """
        text = artifact.get_string_custom_property(_PROPERTY)
        if not text:
            raise RunError(
                f"The artifact {artifact.uri!r} does not say which dataset it is of;"
                " rerun the steps that produce it, from TfdsExampleGen on."
            )
        fields = json.loads(text)
        return cls(
            **{
                **fields,
                "images": ImageSpec(**fields["images"]),
                "class_names": tuple(fields["class_names"]),
            }
        )
