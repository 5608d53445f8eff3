"""Writing files that somebody may read meanwhile."""

from __future__ import annotations

import pathlib


def write_whole(path: pathlib.Path, content: str | bytes) -> None:
    """Writes a text, or bytes, beside its place and renames it there.

    A process that is killed leaves the old file or the new one, and never half
    of one.

    Args:
      path: The file; its directory exists.
      content: All that shall be in it.
    """
    part = path.with_name(f".{path.name}.part")
    if isinstance(content, str):
        part.write_text(content)
    else:
        part.write_bytes(content)
    part.replace(path)
