"""Inspects SavedModels without loading a model."""

from __future__ import annotations

import hashlib
import pathlib

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import (
    fingerprint_pb2,
    meta_graph_pb2,
    saved_model_pb2,
)

# There is no public function that calculates a checksum anew.
from tensorflow.python.saved_model.pywrap_saved_model import fingerprinting

from msg_modules.common.errors import ConfigError
from msg_modules.generator.version_directories import CARD_FILE

# Property of a blessing: the `content_hash` of the model that was judged.
JUDGED_HASH = "judged_hash"


class CorruptModel(ConfigError):
    """A SavedModel that cannot be read.

    Attributes:
      reason: What is wrong with it.
    """

    def __init__(self, version: pathlib.Path, reason: str):
        super().__init__(
            f"The SavedModel in {str(version)!r} is corrupt ({reason}); push it again."
        )
        self.reason = reason


def read_meta_graph(version: pathlib.Path) -> meta_graph_pb2.MetaGraphDef:
    """Reads the graph, with its signatures and the TensorFlow version that wrote it.

    Args:
      version: A version directory.

    Raises:
      CorruptModel: If it cannot be read.
    """
    model = saved_model_pb2.SavedModel()
    try:
        model.ParseFromString((version / "saved_model.pb").read_bytes())
        return model.meta_graphs[0]
    except (OSError, DecodeError, IndexError) as e:
        raise CorruptModel(version, str(e)) from e


def check_graph(version: pathlib.Path) -> None:
    """Compares the graph with the checksum that TensorFlow saves beside it.

    TensorFlow checks the weights when it loads them, but not the graph.

    Args:
      version: A version directory. It is not checked without a checksum, or if another
        version of TensorFlow has saved it, since they calculate it differently.

    Raises:
      CorruptModel: If the graph has changed since it was saved.
    """
    writer = read_meta_graph(version).meta_info_def.tensorflow_version
    try:
        saved = tf.saved_model.experimental.read_fingerprint(str(version))
    except FileNotFoundError:
        return
    if writer != tf.__version__:
        return
    try:
        anew = fingerprint_pb2.FingerprintDef.FromString(
            fingerprinting.CreateFingerprintDef(str(version))
        )
    except fingerprinting.FingerprintException as e:
        raise CorruptModel(version, str(e)) from e
    if saved.saved_model_checksum != anew.saved_model_checksum:
        raise CorruptModel(version, "saved_model.pb does not match fingerprint.pb")


def content_hash(version: pathlib.Path) -> str:
    """Hashes the names and the content of all files, except the model card.

    Args:
      version: A version directory.

    Returns:
      64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for path in sorted(version.rglob("*")):
        name = path.relative_to(version).as_posix()
        if path.is_file() and name != CARD_FILE:
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{content} {name}\n".encode())
    return digest.hexdigest()


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
