"""Inspects SavedModels without loading a model."""

from __future__ import annotations

import pathlib

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from msg_modules.common.errors import ConfigError


def read_meta_graph(version: pathlib.Path) -> meta_graph_pb2.MetaGraphDef:
    """Reads the graph, with its signatures and the TensorFlow version that wrote it.

    Args:
      version: A version directory.

    Raises:
      ConfigError: If the SavedModel is corrupt.
    """
    model = saved_model_pb2.SavedModel()
    try:
        model.ParseFromString((version / "saved_model.pb").read_bytes())
        return model.meta_graphs[0]
    except (OSError, DecodeError, IndexError) as e:
        raise ConfigError(
            f"The SavedModel in {str(version)!r} is corrupt ({e}); push it again."
        ) from e


def describe_signatures(meta_graph: meta_graph_pb2.MetaGraphDef) -> list[str]:
    """Formats each signature on a line: name, inputs and outputs."""
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
    """Counts the model's parameters, including batch norm statistics.

    Args:
      version: A version directory.
    """
    reader = tf.train.load_checkpoint(str(version / "variables" / "variables"))
    return sum(
        tf.TensorShape(shape).num_elements()
        for name, shape in reader.get_variable_to_shape_map().items()
        if not name.startswith("_CHECKPOINTABLE")
    )
