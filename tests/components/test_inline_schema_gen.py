import dataclasses
import pathlib

import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx import types
from tfx.components.schema_gen import executor as schema_gen_executor
from tfx.dsl.components.base import base_executor
from tfx.types import standard_artifacts
from tfx.utils import io_utils

from components.inline_schema_gen.component import InlineSchemaGen
from msg_modules.data.dataset_spec import DatasetSpec
from msg_modules.data.image_spec import ImageSpec
from pipeline import pipeline
from pipeline.configs import PipelineConfig

TILES = DatasetSpec("tiles:1.0.0", ImageSpec(32, 3, 3), "32x32 RGB", 3, ("a", "b"))
COMMENTED = """\
# Kept as it is, comments and all.
feature { name: "image"  type: BYTES }
feature { name: "größe"  type: INT }
"""


@pytest.fixture
def publish(tmp_path):
    """Runs the component's executor and returns the artifact."""

    def run(text, dataset, fit_classes=0):
        node = InlineSchemaGen(
            examples=types.Channel(type=standard_artifacts.Examples),
            schema_text=text,
            fit_classes=fit_classes,
        )
        examples = standard_artifacts.Examples()
        dataset.attach(examples)
        schema = standard_artifacts.Schema()
        schema.uri = str(tmp_path / "schema")
        (tmp_path / "schema").mkdir()  # As TFX does before an executor runs.
        context = base_executor.BaseExecutor.Context(
            tmp_dir=str(tmp_path), unique_id="1"
        )
        node.executor_spec.executor_class(context).Do(
            {"examples": [examples]}, {"schema": [schema]}, dict(node.exec_properties)
        )
        return schema

    return run


def test_publishes_exactly_the_text_it_is_given(publish):
    schema = publish(COMMENTED, TILES)

    (file,) = pathlib.Path(schema.uri).iterdir()
    assert file.name == schema_gen_executor.DEFAULT_FILE_NAME
    assert file.read_bytes() == COMMENTED.encode()


def test_passes_on_what_the_examples_tell_of_the_dataset(publish):
    assert DatasetSpec.of(publish(COMMENTED, TILES)) == TILES


@pytest.mark.parametrize("num_classes", [2, 10, 62, None])
def test_later_components_read_the_schema_of_the_pipeline(publish, num_classes):
    text = pipeline._schema_text(PipelineConfig())
    dataset = dataclasses.replace(TILES, num_classes=num_classes)

    path = io_utils.get_only_uri_in_dir(publish(text, dataset, fit_classes=1).uri)
    schema = io_utils.SchemaReader().read(path)

    features = {feature.name: feature for feature in schema.feature}
    if num_classes is None:
        assert features.keys() == {"image"}
        return
    assert features.keys() == {"image", "label", "label_name"}
    assert features["label"].int_domain.max == num_classes - 1
    # Nothing else differs.
    (given,) = [f for f in _parse(text).feature if f.name == "label"]
    features["label"].int_domain.max = given.int_domain.max
    assert schema == _parse(text)


def _parse(text):
    return text_format.Parse(text, schema_pb2.Schema())
