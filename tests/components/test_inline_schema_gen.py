import pathlib

import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.components.schema_gen import executor as schema_gen_executor
from tfx.dsl.components.base import base_executor
from tfx.types import standard_artifacts
from tfx.utils import io_utils

from components.inline_schema_gen.component import InlineSchemaGen
from pipeline import pipeline
from pipeline.configs import DataConfig, PipelineConfig

COMMENTED = """\
# Kept as it is, comments and all.
feature { name: "image"  type: BYTES }
feature { name: "größe"  type: INT }
"""


@pytest.fixture
def publish(tmp_path):
    """Runs the component's executor and returns the artifact."""

    def run(text):
        node = InlineSchemaGen(schema_text=text)
        schema = standard_artifacts.Schema()
        schema.uri = str(tmp_path / "schema")
        (tmp_path / "schema").mkdir()  # As TFX does before an executor runs.
        context = base_executor.BaseExecutor.Context(
            tmp_dir=str(tmp_path), unique_id="1"
        )
        node.executor_spec.executor_class(context).Do(
            {}, {"schema": [schema]}, dict(node.exec_properties)
        )
        return schema

    return run


def test_publishes_exactly_the_text_it_is_given(publish):
    schema = publish(COMMENTED)

    (file,) = pathlib.Path(schema.uri).iterdir()
    assert file.name == schema_gen_executor.DEFAULT_FILE_NAME
    assert file.read_bytes() == COMMENTED.encode()


@pytest.mark.parametrize("num_classes", [2, 10, 62])
def test_later_components_read_the_schema_of_the_pipeline(publish, num_classes):
    config = PipelineConfig(
        data=DataConfig(num_classes=num_classes, image_size=28, channels=1)
    )
    text = pipeline._schema_text(config)

    path = io_utils.get_only_uri_in_dir(publish(text).uri)
    schema = io_utils.SchemaReader().read(path)

    assert schema == text_format.Parse(text, schema_pb2.Schema())
    features = {feature.name: feature for feature in schema.feature}
    assert features.keys() == {"image", "label", "label_name"}
    assert features["label"].int_domain.max == num_classes - 1


def test_the_text_is_part_of_the_cache_key():
    node = InlineSchemaGen(schema_text=COMMENTED)

    assert node.exec_properties == {"schema_text": COMMENTED}
    assert not node.inputs
