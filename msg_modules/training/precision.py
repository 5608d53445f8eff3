"""Whether this machine computes fast in a precision."""

from __future__ import annotations

import tensorflow as tf

from msg_modules.common import console, cpu

# Instructions that multiply bfloat16 numbers; without them, CPUs convert each one.
_BFLOAT16_FLAGS = frozenset({"amx_bf16", "avx512_bf16"})


def warn_if_slow(precision: str, strategy: str) -> None:
    """Warns if training in bfloat16 is slower than in float32 on this CPU.

    Args:
      precision: As `TrainConfig.precision`.
      strategy: As `TrainConfig.strategy`.
    """
    if precision != "bfloat16" or strategy == "tpu":
        return
    if tf.config.list_physical_devices("GPU"):
        return
    flags = cpu.read("flags")
    if flags and not _BFLOAT16_FLAGS.intersection(flags.split()):
        console.warn(
            "This CPU has no instructions for bfloat16 (AMX or AVX-512 BF16), so"
            " --train.precision bfloat16 is several times slower than float32; leave it"
            " out, or train on another machine."
        )
