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
    """Publishes the schema that it is given.

    TFX's ImportSchemaGen takes a path: an edited file then goes unnoticed by the
    cache, and the path must exist on every machine of a cluster.

    Args:
      schema: Where the schema goes.
      schema_text: A `tensorflow.metadata.v0.Schema` as text protobuf.
    """
    with fileio.open(os.path.join(schema.uri, DEFAULT_FILE_NAME), "w") as f:
        f.write(schema_text)
