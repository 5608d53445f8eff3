"""What commands read of a run."""

from __future__ import annotations

import pathlib

from msg_modules.errors import ConfigError


def find_examples(run: pathlib.Path) -> pathlib.Path:
    """The directory of the newest transformed training examples.

    Args:
      run: Pipeline root of a run.

    Raises:
      ConfigError: If there is none.
    """
    splits = sorted(
        run.glob("Transform/transformed_examples/*/Split-train"),
        key=lambda path: int(path.parent.name),
    )
    if not splits:
        raise ConfigError(
            f"There are no transformed examples in {str(run)!r}; name the pipeline root"
            " of a run that has passed Transform."
        )
    return splits[-1]
