"""The InlineSchemaGen component."""

import os

from tfx.components.schema_gen.executor import DEFAULT_FILE_NAME
from tfx.dsl.component.experimental.annotations import OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.io import fileio
from tfx.types import standard_artifacts


@component
def InlineSchemaGen(
    schema: OutputArtifact[standard_artifacts.Schema],
    schema_text: Parameter[str],
) -> None:
    """Publishes a schema given as text.

    TFX's ImportSchemaGen takes a path: its cache does not notice an edited file, and
    the path must exist on every node of a cluster.

    Args:
      schema: The output artifact.
      schema_text: A `tensorflow.metadata.v0.Schema` as text protobuf.
    """
    with fileio.open(os.path.join(schema.uri, DEFAULT_FILE_NAME), "w") as f:
        f.write(schema_text)
