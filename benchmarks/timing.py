"""Helpers shared by the benchmarks."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import multiprocessing.process
import os
import platform
import statistics
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from msg_modules.common import cpu
from msg_modules.data.image_spec import ImageSpec

if TYPE_CHECKING:
    from msg_modules.data.examples import Examples

FASHION = ImageSpec(size=28, channels=1, scales=3)
_ONEDNN = "TF_ENABLE_ONEDNN_OPTS"
# Vector instructions that decide how fast a CPU trains, and their flags.
_INSTRUCTIONS = {"AVX-512": "avx512f", "AMX": "amx_tile"}


def spread(values: Sequence[float], form: str) -> str:
    """Formats measurements as `min / median / max`."""
    parts = (min(values), statistics.median(values), max(values))
    return " / ".join(format(value, form) for value in parts)


def ratios(these: Sequence[float], others: Sequence[float]) -> list[float]:
    """Returns the ratios, round by round."""
    return [this / other for this, other in zip(these, others, strict=True)]


def describe_machine() -> str:
    """Describes what trains here: GPUs, CPU, number of cores, vector instructions."""
    import tensorflow as tf

    details = tf.config.experimental.get_device_details
    gpus = [
        details(gpu).get("device_name", "GPU")
        for gpu in tf.config.list_physical_devices("GPU")
    ]
    flags = (cpu.read("flags") or "").split()
    has = [name for name, flag in _INSTRUCTIONS.items() if flag in flags]
    lacks = [name for name in _INSTRUCTIONS if name not in has]
    can_be_bound = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if can_be_bound else os.cpu_count()
    return ", ".join(
        [
            *gpus,
            cpu.read("model name") or platform.processor() or platform.machine(),
            f"{cores} core" if cores == 1 else f"{cores} cores",
            f"with {' and '.join(has)}" if has else f"without {' or '.join(lacks)}",
        ]
    )


def noise_examples(num_images: int = 1024) -> Examples:
    """Returns images whose content does not matter: noise, as Fashion-MNIST.

    Args:
      num_images: Number of images.
    """
    from msg_modules.data.examples import Examples

    generator = np.random.default_rng(0)
    shape = [num_images, FASHION.size, FASHION.size, FASHION.channels]
    return Examples(generator.integers(0, 256, shape, np.uint8), None, FASHION)


def start(
    serve: Callable[..., None], arguments: tuple[Any, ...], with_onednn: bool
) -> tuple[multiprocessing.connection.Connection, multiprocessing.process.BaseProcess]:
    """Starts a process that is controlled through a pipe.

    Args:
      serve: The process's main function; takes its end of the pipe and `arguments`.
      arguments: Further arguments of `serve`.
      with_onednn: Whether to enable oneDNN, as this project does, or to leave it at
        TensorFlow's default.

    Returns:
      Our end of the pipe, and the process.
    """
    kept = os.environ.get(_ONEDNN)
    # TensorFlow uses its default if the value is not a boolean.
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
