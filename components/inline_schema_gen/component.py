"""The InlineSchemaGen component."""

import os

from tfx import v1 as tfx
from tfx.components.schema_gen.executor import DEFAULT_FILE_NAME


@tfx.dsl.components.component
def InlineSchemaGen(
    schema: tfx.dsl.components.OutputArtifact[tfx.types.standard_artifacts.Schema],
    schema_text: tfx.dsl.components.Parameter[str],
) -> None:
    """Publishes a schema given as text.

    TFX's ImportSchemaGen takes a path: its cache does not notice an edited file, and
    the path must exist on every node of a cluster.

    Args:
      schema: The output artifact.
      schema_text: A `tensorflow.metadata.v0.Schema` as text protobuf.
    """
    with tfx.dsl.io.fileio.open(os.path.join(schema.uri, DEFAULT_FILE_NAME), "w") as f:
        f.write(schema_text)
