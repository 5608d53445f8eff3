"""What Linux says about the CPU."""

from __future__ import annotations

import pathlib
import re

_INFO = pathlib.Path("/proc/cpuinfo")


def read(field: str) -> str | None:
    """Reads a field of `/proc/cpuinfo`, such as `model name` or `flags`.

    Args:
      field: Its name.

    Returns:
      The first CPU's value; None if there is none, as on other operating systems.
    """
    if not _INFO.exists():
        return None
    found = re.search(rf"^{re.escape(field)}\s*:(.*)$", _INFO.read_text(), re.MULTILINE)
    return found[1].strip() if found else None
