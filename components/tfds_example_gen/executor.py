"""Executor of TfdsExampleGen: converts TFDS shards to `tf.Example` shards with Beam."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import tensorflow as tf
import tensorflow_datasets as tfds
from tfx import types
from tfx.components.example_gen import write_split
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_beam_executor
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils

from components.tfds_example_gen import sources
from msg_modules.common.errors import RunError, root_message

_METRICS_NAMESPACE = "TfdsExampleGen"
_CHUNK_SIZE = 10_000
_BATCH_SIZE = 256


class Executor(base_beam_executor.BaseBeamExecutor):
    """Executor of `TfdsExampleGen`."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Prepares the dataset if necessary and writes both splits.

        Raises:
          RunError: If the dataset cannot be prepared, a split is unknown or empty, the
            splits overlap, an image does not decode, or the number of examples read
            differs from TFDS's metadata.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        builder = sources.load_builder(
            exec_properties["dataset"], exec_properties.get("data_dir")
        )
        sources.feature_keys(builder)
        sources.prepare(builder)
        names = ("train", "eval")
        resolved = sources.resolve_splits(
            builder,
            [exec_properties[f"{name}_split"] for name in names],
            exec_properties.get("max_examples"),
        )
        splits = dict(zip(names, resolved, strict=True))
        examples = artifact_utils.get_single_instance(output_dict["examples"])
        examples.split_names = artifact_utils.encode_split_names(list(splits))
        examples_utils.set_payload_format(
            examples, example_gen_pb2.PayloadFormat.FORMAT_TF_EXAMPLE
        )

        pipeline = self._make_beam_pipeline()
        try:
            with pipeline:
                for name, split in splits.items():
                    _ = (
                        pipeline
                        | f"Chunks[{name}]" >> beam.Create(_chunks(builder, split))
                        | f"Spread[{name}]" >> beam.Reshuffle()
                        | f"Read[{name}]"
                        >> beam.ParDo(
                            ReadExamples(
                                exec_properties["dataset"],
                                exec_properties.get("data_dir"),
                                name,
                            )
                        )
                        | f"Write[{name}]"
                        >> write_split.WriteSplit(
                            artifact_utils.get_split_uri([examples], name),
                            example_gen_pb2.FileFormat.FORMAT_TFRECORDS_GZIP,
                        )
                    )
        except Exception as e:
            if RunError.__name__ in str(e):  # A worker's, which Beam turned into text.
                raise RunError(root_message(e)) from e
            raise

        examples.set_string_custom_property("dataset", builder.name)
        examples.set_string_custom_property("dataset_version", str(builder.version))
        examples.set_string_custom_property(
            "data_fingerprint", sources.fingerprint(builder)
        )
        for name, split in splits.items():
            wanted = builder.info.splits[split].num_examples
            seen = _count(pipeline, name)
            if seen != wanted:
                raise _broken(
                    builder, f"{split} should have {wanted} examples but has {seen}"
                )
            examples.set_string_custom_property(f"{name}_split", split)
            examples.set_int_custom_property(f"{name}_num_examples", seen)


def _chunks(builder: tfds.core.DatasetBuilder, split: str) -> list[Any]:
    """Divides a split into chunks that Beam's workers read in parallel.

    TFDS's own Beam source parallelises over shards and does not support slices of them;
    Fashion-MNIST has a single shard per split.
    """
    num_examples = builder.info.splits[split].num_examples
    return tfds.even_splits(split, math.ceil(num_examples / _CHUNK_SIZE))


class ReadExamples(beam.DoFn):
    """Reads a chunk of a TFDS split as `tf.Example`, and checks that images decode."""

    def __init__(self, dataset: str, data_dir: str | None, split: str):
        """Creates the function.

        Args:
          dataset: TFDS name with version.
          data_dir: Directory of prepared datasets; None for TFDS's default.
          split: Name of the output split, for metrics and error messages.
        """
        self._dataset = dataset
        self._data_dir = data_dir
        self._split = split
        self._counter = beam.metrics.Metrics.counter(_METRICS_NAMESPACE, split)

    def setup(self) -> None:
        """Loads the builder in the worker process."""
        self._builder = sources.load_builder(self._dataset, self._data_dir)
        self._image_key, self._label_key = sources.feature_keys(self._builder)
        self._label_names = sources.class_names(self._builder) or ()

    def process(self, chunk: Any) -> Iterator[tf.train.Example]:
        """Yields the examples of a chunk.

        Args:
          chunk: An element of what `tfds.even_splits` returns.

        Raises:
          RunError: If a record cannot be read, or an image does not decode.
        """
        read_config = tfds.ReadConfig()
        # The autotune thread sleeps for up to a minute, and closing an iterator waits
        # for it.
        read_config.options.autotune.enabled = False
        images = self._builder.as_dataset(
            read_config=read_config,
            split=chunk,
            decoders={self._image_key: tfds.decode.SkipDecoding()},
        )
        # Batched, because passing single examples to Python dominates the run time.
        batches = images.map(
            lambda element: (element[self._image_key], element[self._label_key])
        ).batch(_BATCH_SIZE)
        try:
            for encoded, labels in batches.as_numpy_iterator():
                for image, label in zip(encoded, labels, strict=True):
                    self._counter.inc()
                    yield self._to_example(image, int(label))
        except (OSError, tf.errors.OpError) as e:
            raise _broken(self._builder, root_message(e)) from e

    def _to_example(self, image: bytes, label: int) -> tf.train.Example:
        try:
            # As Transform does: Pillow accepts images that TensorFlow rejects.
            tf.io.decode_image(image, channels=1, expand_animations=False)
        except tf.errors.InvalidArgumentError as e:
            raise _broken(
                self._builder,
                f"an image of split {self._split!r} with label {label} and"
                f" {len(image)} bytes cannot be decoded as PNG or JPEG"
                f" ({root_message(e)[:120]})",
            ) from e
        feature = {
            "image": _bytes_feature(image),
            "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
        }
        if 0 <= label < len(self._label_names):
            feature["label_name"] = _bytes_feature(self._label_names[label].encode())
        return tf.train.Example(features=tf.train.Features(feature=feature))


def _broken(builder: tfds.core.DatasetBuilder, reason: str) -> RunError:
    return RunError(
        f"{builder.info.full_name} could not be read: {reason}; delete"
        f" {str(builder.data_path)!r} so that TFDS prepares it again."
    )


def _bytes_feature(value: bytes) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def _count(pipeline: beam.Pipeline, split: str) -> int:
    """Sums the examples of a split that Beam's workers counted."""
    query = (
        beam.metrics.MetricsFilter().with_namespace(_METRICS_NAMESPACE).with_name(split)
    )
    return sum(c.result for c in pipeline.result.metrics().query(query)["counters"])
