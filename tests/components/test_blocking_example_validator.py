import io
import pathlib
import shutil

import PIL.Image
import pytest
import tensorflow as tf
from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx.components import ExampleValidator
from tfx.components.statistics_gen import executor as statistics_gen_executor
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_executor
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils, standard_artifacts

from components.blocking_example_validator import component, executor
from components.inline_schema_gen import component as schema_gen
from msg_modules.common.errors import RunError
from pipeline import pipeline
from pipeline.configs import PipelineConfig

NUM_CLASSES = 10
NUM_EXAMPLES = 50


def png():
    with io.BytesIO() as buffer:
        PIL.Image.effect_noise((28, 28), 60).save(buffer, "png")
        return buffer.getvalue()


IMAGE = png()


def feature(value):
    if isinstance(value, bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
    return tf.train.Feature(int64_list=tf.train.Int64List(value=value))


def example(index, **changes):
    """A good example, save for the changes; None leaves a feature out."""
    values = {
        "image": IMAGE,
        "label": [index % NUM_CLASSES],
        "label_name": b"%d" % (index % NUM_CLASSES),
        **changes,
    }
    return tf.train.Example(
        features=tf.train.Features(
            feature={k: feature(v) for k, v in values.items() if v is not None}
        )
    )


def with_one(**changes):
    """Good examples, save for one."""
    good = [example(i) for i in range(NUM_EXAMPLES - 1)]
    return [*good, example(NUM_EXAMPLES - 1, **changes)]


def with_all(**changes):
    return [example(i, **changes) for i in range(NUM_EXAMPLES)]


# One StatisticsGen computes them all, four seconds for each; a test then picks
# its `train` and `eval`.
EXAMPLES = {
    "good": with_all(),
    "one-without-image": with_one(image=None),
    "large-label": with_one(label=[NUM_CLASSES]),
    "negative-label": with_one(label=[-1]),
    "text-labels": with_all(label=b"boot"),
    "one-unnamed-class": with_all(label=[3], label_name=None),
    "empty": [],
}


@pytest.fixture(scope="module")
def schema(tmp_path_factory):
    """The pipeline's own schema, for ten classes."""
    artifact = standard_artifacts.Schema()
    artifact.uri = str(tmp_path_factory.mktemp("schema"))
    text = pipeline._schema_text(PipelineConfig())
    path = pathlib.Path(artifact.uri) / "schema.pbtxt"
    path.write_text(schema_gen.fit(text, NUM_CLASSES))
    return artifact


@pytest.fixture(scope="module")
def all_statistics(tmp_path_factory, beam_context, schema):
    """Statistics with one split for each entry of `EXAMPLES`."""
    examples = standard_artifacts.Examples()
    examples.uri = str(tmp_path_factory.mktemp("examples"))
    examples.split_names = artifact_utils.encode_split_names(list(EXAMPLES))
    examples_utils.set_payload_format(
        examples, example_gen_pb2.PayloadFormat.FORMAT_TF_EXAMPLE
    )
    for split, content in EXAMPLES.items():
        directory = pathlib.Path(artifact_utils.get_split_uri([examples], split))
        directory.mkdir()
        path = directory / "data_tfrecord-00000-of-00001.gz"
        with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
            for item in content:
                writer.write(item.SerializeToString())
    statistics = standard_artifacts.ExampleStatistics()
    statistics.uri = str(tmp_path_factory.mktemp("statistics"))
    statistics_gen_executor.Executor(beam_context).Do(
        {"examples": [examples], "schema": [schema]},
        {"statistics": [statistics]},
        {"stats_options_json": None, "exclude_splits": "[]"},
    )
    return statistics


@pytest.fixture
def validate(all_statistics, schema, tmp_path):
    """Runs the executor on two of the examples; returns the anomalies artifact."""

    def run(train, evaluation):
        statistics = standard_artifacts.ExampleStatistics()
        statistics.uri = str(tmp_path / f"{train}-{evaluation}")
        statistics.split_names = artifact_utils.encode_split_names(["train", "eval"])
        for split, source in (("train", train), ("eval", evaluation)):
            shutil.copytree(
                artifact_utils.get_split_uri([all_statistics], source),
                artifact_utils.get_split_uri([statistics], split),
            )
        anomalies = standard_artifacts.ExampleAnomalies()
        anomalies.uri = str(tmp_path / f"anomalies-{train}-{evaluation}")
        context = base_executor.BaseExecutor.Context(
            tmp_dir=str(tmp_path), unique_id="1"
        )
        executor.Executor(context).Do(
            {"statistics": [statistics], "schema": [schema]},
            {"anomalies": [anomalies]},
            {"exclude_splits": "[]", "custom_validation_config": None},
        )
        return anomalies

    return run


def read_anomalies(uri, split):
    path = pathlib.Path(uri) / f"Split-{split}" / "SchemaDiff.pb"
    return anomalies_pb2.Anomalies.FromString(path.read_bytes())


def refusal(validate, train, evaluation):
    with pytest.raises(RunError) as caught:
        validate(train, evaluation)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert message.startswith("The examples do not match their schema: ")
    assert message.endswith(
        "Fix the data, or set a matching schema with --data.schema."
    )
    return message


def test_good_examples_pass_and_the_anomalies_are_published(validate):
    anomalies = validate("good", "good")

    assert artifact_utils.decode_split_names(anomalies.split_names) == ["train", "eval"]
    assert anomalies.get_json_value_custom_property("blessed") == {
        "train": 1,
        "eval": 1,
    }
    for split in ("train", "eval"):
        assert not read_anomalies(anomalies.uri, split).anomaly_info


@pytest.mark.parametrize("split", ["train", "eval"])
@pytest.mark.parametrize(
    ("examples", "feature", "complaint"),
    [
        ("one-without-image", "image", "fewer examples than expected"),
        ("large-label", "label", "Unexpectedly large value: 10."),
        ("negative-label", "label", "Unexpectedly small value: -1."),
        ("text-labels", "label", "Expected data of type: INT but got STRING"),
    ],
)
def test_an_anomaly_ends_the_run_and_says_where(
    validate, examples, feature, complaint, split
):
    pair = (examples, "good") if split == "train" else ("good", examples)

    message = refusal(validate, *pair)

    assert f"{split}: {feature}: " in message
    assert complaint in message
    validate("good", "good")


def test_anomalies_of_both_splits_are_told_together(validate):
    message = refusal(validate, "large-label", "one-without-image")

    assert "train: label: Unexpectedly large value: 10" in message
    assert "; eval: image: " in message


def test_the_anomalies_are_written_before_the_run_ends(validate, tmp_path):
    refusal(validate, "good", "large-label")

    uri = tmp_path / "anomalies-good-large-label"
    assert "label" in read_anomalies(uri, "eval").anomaly_info
    assert not read_anomalies(uri, "train").anomaly_info


def test_a_split_of_one_class_has_drifted(validate):
    message = refusal(validate, "good", "one-unnamed-class")

    assert "eval: label: " in message
    assert "distance" in message
    assert "above the threshold 0.2" in message
    assert "The feature value with maximum difference is: 3" in message
    assert "label_name" not in message  # A class needs no name.


@pytest.mark.parametrize("pair", [("good", "empty"), ("empty", "good")], ids="-".join)
def test_an_empty_split_ends_the_run(validate, pair):
    message = refusal(validate, *pair)

    split = ("train", "eval")[pair.index("empty")]
    assert f"{split}: " in message


def test_a_sentence_ends_once(validate):
    assert ".." not in refusal(validate, "good", "large-label")


def test_the_component_differs_from_tfx_by_its_executor_only():
    spec = component.BlockingExampleValidator.EXECUTOR_SPEC

    assert spec.executor_class is executor.Executor
    assert issubclass(component.BlockingExampleValidator, ExampleValidator)
