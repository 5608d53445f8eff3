"""`msg-gan export`."""

from __future__ import annotations

import pathlib
from typing import Literal

from msg_modules.commands import outputs
from msg_modules.common import console
from msg_modules.configs import require

_MAX_BATCH_SIZE = 1024


def export(
    model: pathlib.Path,
    output: pathlib.Path,
    format: Literal["onnx", "tflite"],
    batch_size: int = 1,
    force: bool = False,
) -> None:
    """Converts a pushed generator to ONNX or LiteRT.

    The model takes standard normal `latents`, float32 `[N, latent_dim]`, and, if it is
    conditional, `labels`, int64 `[N]`. It returns the images of all sizes, such as
    `image_28`, in [-1, 1].

    Args:
      model: Serving directory (its served version is used), or a version directory.
      output: Output file, e.g. generator.onnx or generator.tflite.
      format: `onnx` (extra `onnx`), or `tflite` for LiteRT (formerly TensorFlow Lite).
      batch_size: Fixed batch size of a LiteRT model; ONNX accepts any.
      force: Overwrite an existing file.
    """
    wanted = f"between 1 and {_MAX_BATCH_SIZE}"
    require(0 < batch_size <= _MAX_BATCH_SIZE, "batch_size", batch_size, wanted)
    outputs.check_free(output, force)
    from msg_modules.common import files
    from msg_modules.generator import conversion, sampling

    version = sampling.find_version(model)
    if format == "onnx":
        content = conversion.to_onnx(version)
    else:
        content = conversion.to_litert(version, batch_size)
    with outputs.writing(output):
        output.parent.mkdir(parents=True, exist_ok=True)
        files.write_whole(output, content)
    console.say(f"{output}: {len(content):,} bytes")
