"""Optional dependencies, the extras in pyproject.toml."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from msg_modules.common.errors import ConfigError


@contextlib.contextmanager
def needed(extra: str) -> Iterator[None]:
    """Turns a failed import in the block into an error that names the extra.

    Args:
      extra: Name of the extra.

    Raises:
      ConfigError: If a module imported in the block is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as e:
        raise ConfigError(
            f"{e.name} is not installed; `uv sync --extra {extra}` installs it."
        ) from e
