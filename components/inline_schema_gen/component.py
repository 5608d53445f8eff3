"""The InlineSchemaGen component."""

import os

from tfx import v1 as tfx
from tfx.components.schema_gen.executor import DEFAULT_FILE_NAME


@tfx.dsl.components.component
def InlineSchemaGen(
    schema: tfx.dsl.components.OutputArtifact[tfx.types.standard_artifacts.Schema],
    schema_text: tfx.dsl.components.Parameter[str],
) -> None:
    """Publishes the schema that it is given.

    TFX's ImportSchemaGen takes a path: an edited file then goes unnoticed by the
    cache, and the path must exist on every machine of a cluster.

    Args:
      schema: Where the schema goes.
      schema_text: A `tensorflow.metadata.v0.Schema` as text protobuf.
    """
    with tfx.dsl.io.fileio.open(os.path.join(schema.uri, DEFAULT_FILE_NAME), "w") as f:
        f.write(schema_text)
