"""Executor of TfdsExampleGen: converts TFDS shards to `tf.Example` shards with Beam."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import math
import tempfile
from collections.abc import Iterator, Sequence
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

from components.tfds_example_gen import resolution, sources
from components.tfds_example_gen.configs import DataConfig
from msg_modules.common import console
from msg_modules.common.errors import RunError, root_message
from msg_modules.data import manifest

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
        """Settles and prepares the dataset if necessary, and writes both splits.

        Raises:
          ConfigError: If the dataset cannot be settled (`resolution.resolve`).
          RunError: If the dataset cannot be prepared, a split is unknown or empty, the
            splits overlap, an image does not decode, or the number of examples read
            differs from TFDS's metadata.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        with _settled(DataConfig.of_json(exec_properties["config"])) as config:
            examples = artifact_utils.get_single_instance(output_dict["examples"])
            self._ingest(config, examples)
        manifest.write(examples.uri)
        config.spec.attach(examples)

    def _ingest(self, config: DataConfig, examples: types.Artifact) -> None:
        builder = sources.load_builder(config.dataset, config.data_dir)
        sources.prepare(builder)
        names = ("train", "eval")
        resolved = sources.resolve_splits(
            builder, (config.train_split, config.eval_split), config.max_examples
        )
        splits = dict(zip(names, resolved, strict=True))
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
                        | f"Read[{name}]" >> beam.ParDo(ReadExamples(config, name))
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


@contextlib.contextmanager
def _settled(config: DataConfig) -> Iterator[DataConfig]:
    """Settles the config, unless that was done before the run.

    A folder without a `data_dir` is prepared in a temporary directory: the default may
    not exist in a container, or not be writable.
    """
    if config.is_settled:
        yield config
        return
    with tempfile.TemporaryDirectory() as own:
        if config.folder is not None and config.data_dir is None:
            config = dataclasses.replace(config, data_dir=own)
        settled, warning = resolution.resolve(config)
        if warning:
            console.warn(warning)
        yield settled


def _chunks(builder: tfds.core.DatasetBuilder, split: str) -> list[Any]:
    """Divides a split into chunks that Beam's workers read in parallel.

    TFDS's own Beam source parallelises over shards and does not support slices of them;
    Fashion-MNIST has a single shard per split.
    """
    num_examples = builder.info.splits[split].num_examples
    return tfds.even_splits(split, math.ceil(num_examples / _CHUNK_SIZE))


class ReadExamples(beam.DoFn):
    """Reads a chunk of a TFDS split as `tf.Example`, and checks that images decode."""

    def __init__(self, config: DataConfig, split: str):
        """Creates the function.

        Args:
          config: The settled config.
          split: Name of the output split, for metrics and error messages.
        """
        assert config.image_key is not None
        self._dataset = config.dataset
        self._data_dir = config.data_dir
        self._split = split
        self._image_key = config.image_key
        self._label_key = config.label_key
        self._class_names = list(config.class_names or ())
        self._counter = beam.metrics.Metrics.counter(_METRICS_NAMESPACE, split)

    def setup(self) -> None:
        """Loads the builder in the worker process."""
        self._builder = sources.load_builder(self._dataset, self._data_dir)
        if self._label_key is not None:
            label = self._builder.info.features[self._label_key]
            if sources.is_class_label(label):
                self._class_names = label.names if label.num_classes else []

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
        keys = [key for key in (self._image_key, self._label_key) if key is not None]
        batches = images.map(lambda element: tuple(element[key] for key in keys)).batch(
            _BATCH_SIZE
        )
        try:
            for encoded, *labels in batches.as_numpy_iterator():
                self._check_images(encoded, *labels)
                for image, *label in zip(encoded, *labels, strict=True):
                    self._counter.inc()
                    yield self._to_example(image, *map(self._to_number, label))
        except (OSError, tf.errors.OpError) as e:
            raise _broken(self._builder, root_message(e)) from e

    def _to_number(self, label: bytes | int) -> int:
        if not isinstance(label, bytes):
            return int(label)
        name = label.decode()
        if name not in self._class_names:
            raise RunError(
                f"An image of split {self._split!r} has label {name!r}, which is none"
                f" of the classes {', '.join(self._class_names)}; add it to"
                " --data.class-names."
            )
        return self._class_names.index(name)

    def _check_images(
        self, encoded: Sequence[bytes], labels: Sequence[bytes | int] = ()
    ) -> None:
        try:
            _check_all(encoded)
        except tf.errors.InvalidArgumentError:
            for image, label in itertools.zip_longest(encoded, labels):
                self._check_image(image, label)
            raise

    def _check_image(self, image: bytes, label: bytes | int | None) -> None:
        try:
            tf.io.decode_image(image, expand_animations=False)
        except tf.errors.InvalidArgumentError as e:
            number = None if label is None else self._to_number(label)
            raise _broken(
                self._builder,
                f"an image of split {self._split!r} with label {number} and"
                f" {len(image)} bytes cannot be decoded as PNG or JPEG"
                f" ({root_message(e)[:120]})",
            ) from e

    def _to_example(self, image: bytes, label: int | None = None) -> tf.train.Example:
        feature = {"image": _bytes_feature(image)}
        if label is not None:
            feature["label"] = tf.train.Feature(
                int64_list=tf.train.Int64List(value=[label])
            )
            if 0 <= label < len(self._class_names):
                name = self._class_names[label]
                feature["label_name"] = _bytes_feature(name.encode())
        return tf.train.Example(features=tf.train.Features(feature=feature))


@tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
def _check_all(encoded: tf.Tensor) -> tf.Tensor:
    """Decodes images as Transform does; Pillow accepts some that TensorFlow rejects.

    In one graph, because a call per image takes longer than decoding it.

    Args:
      encoded: `[num_images]`.

    Returns:
      int32 `[num_images, 3]`, their shapes.

    Raises:
      tf.errors.InvalidArgumentError: If an image cannot be decoded.
    """
    return tf.map_fn(
        lambda image: tf.shape(tf.io.decode_image(image, expand_animations=False)),
        encoded,
        fn_output_signature=tf.TensorSpec([3], tf.int32),
    )


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
