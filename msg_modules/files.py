"""Writing files that somebody may read meanwhile."""

from __future__ import annotations

import pathlib


def write_whole(path: pathlib.Path, text: str) -> None:
    """Writes a text beside its place and renames it there.

    A process that is killed leaves the old file or the new one, and never half
    of one.

    Args:
      path: The file; its directory exists.
      text: All that shall be in it.
    """
    part = path.with_name(f".{path.name}.part")
    part.write_text(text)
    part.replace(path)
