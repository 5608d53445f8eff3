"""Writing files that somebody may read meanwhile."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Iterator


@contextlib.contextmanager
def beside(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Gives a place beside a file, and renames to the file what was written there.

    A process that is killed leaves the old file or the new one, and never half
    of one.

    Args:
      path: The file; its directory exists.

    Yields:
      Where to write. The name ends like the file's: many libraries take the format
      from that.
    """
    part = path.with_name(f".{path.name}.part{path.suffix}")
    yield part
    part.replace(path)


def write_whole(path: pathlib.Path, content: str | bytes) -> None:
    """Writes a text, or bytes, as `beside` does.

    Args:
      path: The file; its directory exists.
      content: All that shall be in it.
    """
    with beside(path) as part:
        if isinstance(content, str):
            part.write_text(content)
        else:
            part.write_bytes(content)
