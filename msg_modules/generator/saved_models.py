"""What a SavedModel says of itself, without loading it."""

from __future__ import annotations

import pathlib

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from msg_modules.common.errors import ConfigError, RunError

# The model card that lies beside a pushed generator.
CARD_FILE = "README.md"


def serving_directory(path: str) -> pathlib.Path:
    """The serving directory that a setting names.

    Raises:
      RunError: If it is a URI, of which a path would silently make a directory.
    """
    if "://" in path:
        raise RunError(
            f"serving_dir is {path!r}; it must be a directory: a volume's, or on Vertex"
            " AI /gcs/BUCKET/DIRECTORY."
        )
    return pathlib.Path(path)


def complete_versions(serving_dir: pathlib.Path) -> list[pathlib.Path]:
    """The version directories that are there in full, oldest first.

    Args:
      serving_dir: A directory of numbered versions; it need not exist.
    """
    # saved_model.pb is copied last, where a version is not renamed as a whole.
    found = (file.parent for file in serving_dir.glob("*/saved_model.pb"))
    return sorted(
        (version for version in found if version.name.isdecimal()),
        key=lambda version: int(version.name),
    )


def read_meta_graph(version: pathlib.Path) -> meta_graph_pb2.MetaGraphDef:
    """The graph with its signatures, and the version of TensorFlow that wrote it.

    Args:
      version: A version directory.

    Raises:
      ConfigError: If it is damaged.
    """
    model = saved_model_pb2.SavedModel()
    try:
        model.ParseFromString((version / "saved_model.pb").read_bytes())
        return model.meta_graphs[0]
    except (OSError, DecodeError, IndexError) as e:
        raise ConfigError(
            f"The SavedModel in {str(version)!r} is damaged ({e}); push it again."
        ) from e


def describe_signatures(meta_graph: meta_graph_pb2.MetaGraphDef) -> list[str]:
    """A line for each signature: its name, what it takes and what it returns."""
    return [
        f"{name}({_describe(signature.inputs)}) -> {_describe(signature.outputs)}"
        for name, signature in sorted(meta_graph.signature_def.items(), reverse=True)
        if not name.startswith("__")
    ]


def _describe(tensors: dict[str, meta_graph_pb2.TensorInfo]) -> str:
    parts = []
    for name, info in sorted(tensors.items(), key=lambda item: (len(item[0]), item)):
        sizes = [
            "N" if dim.size < 0 else str(dim.size) for dim in info.tensor_shape.dim
        ]
        dtype = tf.dtypes.as_dtype(info.dtype).name
        parts.append(f"{name}: {dtype} [{', '.join(sizes)}]")
    return ", ".join(parts)


def count_weights(version: pathlib.Path) -> int:
    """How many numbers the model has learned or averaged.

    Args:
      version: A version directory.
    """
    reader = tf.train.load_checkpoint(str(version / "variables" / "variables"))
    return sum(
        tf.TensorShape(shape).num_elements()
        for name, shape in reader.get_variable_to_shape_map().items()
        if not name.startswith("_CHECKPOINTABLE")
    )
