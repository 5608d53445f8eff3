"""Bit-for-bit reproducibility."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import tensorflow as tf

# TensorFlow's public API can enable determinism but neither query nor disable it.
from tensorflow.python.framework import config as framework_config


def is_on() -> bool:
    """Whether deterministic operations are enabled."""
    return framework_config.is_op_determinism_enabled()


@contextlib.contextmanager
def required(wanted: bool) -> Iterator[None]:
    """Enables deterministic operations within a block.

    With the same software on the same machine, the same operations then give
    bit-identical results. Operations may have run before: a function traced in the
    block gets its own kernels. If determinism is already enabled, it stays enabled.

    Args:
      wanted: Whether to enable determinism; if False, this does nothing.

    Yields:
      Nothing.
    """
    if not wanted or is_on():
        yield
        return
    tf.config.experimental.enable_op_determinism()
    try:
        yield
    finally:
        framework_config.disable_op_determinism()
