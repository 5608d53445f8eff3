"""The InlineSchemaGen component."""

import os

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.components.schema_gen.executor import DEFAULT_FILE_NAME
from tfx.dsl.component.experimental.annotations import (
    InputArtifact,
    OutputArtifact,
    Parameter,
)
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.io import fileio
from tfx.types import standard_artifacts

from msg_modules.data.dataset_spec import DatasetSpec

_LABELS = ("label", "label_name")


@component
def InlineSchemaGen(
    examples: InputArtifact[standard_artifacts.Examples],
    schema: OutputArtifact[standard_artifacts.Schema],
    schema_text: Parameter[str],
    fit_classes: Parameter[int],
) -> None:
    """Publishes a schema given as text.

    TFX's ImportSchemaGen takes a path: its cache does not notice an edited file, and
    the path must exist on every node of a cluster.

    Args:
      examples: The output of `TfdsExampleGen`.
      schema: The output artifact, which also gets the examples' `DatasetSpec`.
      schema_text: A `tensorflow.metadata.v0.Schema` as text protobuf.
      fit_classes: Whether to fit the labels to the dataset's classes; 0 or 1.
    """
    dataset = DatasetSpec.of(examples)
    text = fit(schema_text, dataset.num_classes) if fit_classes else schema_text
    with fileio.open(os.path.join(schema.uri, DEFAULT_FILE_NAME), "w") as f:
        f.write(text)
    dataset.attach(schema)


def fit(schema_text: str, num_classes: int | None) -> str:
    """Fits the labels of a schema to the classes of a dataset.

    Args:
      schema_text: A `tensorflow.metadata.v0.Schema` as text protobuf.
      num_classes: None to remove the labels.
    """
    schema = text_format.Parse(schema_text, schema_pb2.Schema())
    for feature in [f for f in schema.feature if f.name in _LABELS]:
        if num_classes is None:
            schema.feature.remove(feature)
        elif feature.name == "label":
            feature.int_domain.max = num_classes - 1
    return text_format.MessageToString(schema)
