"""What the benchmarks share."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import multiprocessing.process
import os
import statistics
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

_ONEDNN = "TF_ENABLE_ONEDNN_OPTS"


def spread(values: Sequence[float], form: str) -> str:
    """`min / median / max` of what the rounds measured."""
    parts = (min(values), statistics.median(values), max(values))
    return " / ".join(format(value, form) for value in parts)


def ratios(these: Sequence[float], others: Sequence[float]) -> list[float]:
    """The ratio round by round."""
    return [this / other for this, other in zip(these, others, strict=True)]


def noise_pyramids(num_images: int = 1024) -> tuple[np.ndarray, ...]:
    """Images whose content does not matter: uniform noise at the three scales.

    Args:
      num_images: How many.

    Returns:
      float32 `[num_images, size, size, 1]` in [-1, 1] for 7, 14 and 28.
    """
    generator = np.random.default_rng(0)
    return tuple(
        generator.uniform(-1, 1, [num_images, size, size, 1]).astype(np.float32)
        for size in (7, 14, 28)
    )


def start(
    serve: Callable[..., None], arguments: tuple[Any, ...], with_onednn: bool
) -> tuple[multiprocessing.connection.Connection, multiprocessing.process.BaseProcess]:
    """Starts a process that is told what to do.

    Args:
      serve: What it runs: a function of its end of a pipe and the arguments.
      arguments: The further arguments.
      with_onednn: Whether oneDNN is switched on, as this project does it, or
        TensorFlow decides as it does by itself.

    Returns:
      Our end of the pipe, and the process.
    """
    kept = os.environ.get(_ONEDNN)
    # TensorFlow takes any other word than a truth value for its own default.
    os.environ[_ONEDNN] = "1" if with_onednn else "default"
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs, *arguments), daemon=True)
    process.start()
    theirs.close()
    if kept is None:
        del os.environ[_ONEDNN]
    else:
        os.environ[_ONEDNN] = kept
    return ours, process
