"""Video output; needs the extra `video`."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

import numpy as np
import PIL.Image

from msg_modules.common import extras, files

_FRAMES_PER_SECOND = 12


def check_installed() -> None:
    """Raises a `ConfigError` if the extra is not installed."""
    with extras.needed("video"):
        import av  # noqa: F401
        import imageio  # noqa: F401


def save_video(frames: Sequence[PIL.Image.Image], path: pathlib.Path) -> None:
    """Writes pictures of equal size to an MP4 file (H.264), which all browsers play.

    Args:
      frames: The pictures in order; the codec requires even width and height.
      path: The MP4 file; written to a temporary path and renamed.
    """
    import imageio.v3

    path.parent.mkdir(parents=True, exist_ok=True)
    with files.beside(path) as part:
        imageio.v3.imwrite(
            part,
            np.stack([np.asarray(frame.convert("RGB")) for frame in frames]),
            plugin="pyav",
            codec="libx264",
            fps=_FRAMES_PER_SECOND,
            out_pixel_format="yuv420p",
        )
