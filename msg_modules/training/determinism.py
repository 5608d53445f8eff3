"""Results that are the same to the last bit."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import tensorflow as tf

# Public TensorFlow only turns determinism on, for all that follows in the process.
from tensorflow.python.framework import config as framework_config


def is_on() -> bool:
    """Whether operations are deterministic now."""
    return framework_config.is_op_determinism_enabled()


@contextlib.contextmanager
def required(wanted: bool) -> Iterator[None]:
    """Makes the operations of a block deterministic, those of no other.

    With the same software on the same machine, the same operations then give the
    same bits. It may begin after operations have run: a function that is traced
    in the block has kernels of its own. Where determinism is on already, it
    stays on.

    Args:
      wanted: Whether to do anything.

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
