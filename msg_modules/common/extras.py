"""What is installed only for those who ask for it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from msg_modules.common.errors import ConfigError


@contextlib.contextmanager
def needed(extra: str) -> Iterator[None]:
    """Names the extra of pyproject.toml to whom a module of it is missing.

    Args:
      extra: Its name.

    Raises:
      ConfigError: If something that is imported in the block is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as e:
        raise ConfigError(
            f"{e.name} is not installed; `uv sync --extra {extra}` installs it."
        ) from e
