"""`msg-gan versions`, `msg-gan rollback` and `msg-gan prune`."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from msg_modules.common import console
from msg_modules.common.errors import ConfigError
from msg_modules.configs import require
from msg_modules.generator import version_directories

if TYPE_CHECKING:
    from msg_modules.generator.version_history import PushedVersion


def versions(serving_dir: str) -> None:
    """Lists the versions of a generator, and which one is served.

    Args:
      serving_dir: Directory that generators are pushed to.
    """
    import rich.table

    from msg_modules.generator import version_history

    found = version_history.find_versions(
        version_directories.serving_directory(serving_dir)
    )
    rows = rich.table.Table(box=None, pad_edge=False)
    rows.add_column("version", justify="right", no_wrap=True)
    rows.add_column("pushed (UTC)", overflow="fold")
    rows.add_column("state", no_wrap=True)
    rows.add_column("Frechet", justify="right", no_wrap=True)
    rows.add_column("MB", justify="right", no_wrap=True)
    for version in found:
        rows.add_row(*_cells(version))
    console.show_table(rows)


def rollback(serving_dir: str, to: int | None = None) -> None:
    """Makes an older version the served one; servers follow without a restart.

    Newer versions are moved to `.rolled_back` in the serving directory, and can be
    served again with --to. The next push is served as always.

    Args:
      serving_dir: Directory that generators are pushed to.
      to: Number of the version to serve, also of one that was rolled back. Default: the
        one before the served version.
    """
    from msg_modules.generator import version_history

    directory = version_directories.serving_directory(serving_dir)
    before = version_history.find_served(version_history.find_versions(directory))
    served = version_history.rollback(directory, to)
    if before is None:
        console.say(f"Version {served.number} is served.")
    elif before.number == served.number:
        console.say(f"Version {served.number} is served already.")
    else:
        console.say(f"Version {served.number} is served instead of {before.number}.")
        console.say(f"To undo this, use --to {before.number}.")


def prune(serving_dir: str, keep: int) -> None:
    """Removes old versions, never the served one or newer ones.

    Args:
      serving_dir: Directory that generators are pushed to.
      keep: Number of versions to keep: the served one and those before it. What was
        rolled back and is newer is kept as well.
    """
    require(keep >= 1, "keep", keep, "at least 1, for the served version")
    from msg_modules.generator import version_history

    directory = version_directories.serving_directory(serving_dir)
    removed = version_history.prune(directory, keep)
    for version, size in removed:
        console.say(f"Removed version {version.number}, {size / 1e6:.2f} MB")
    if not removed:
        console.say("Nothing to remove.")


def _cells(version: PushedVersion) -> Iterable[str]:
    yield str(version.number)
    is_complete = version.state != "incomplete"
    yield f"{version.pushed():%Y-%m-%d %H:%M}" if is_complete else ""
    yield version.state
    yield _frechet(version.path / version_directories.CARD_FILE)
    yield f"{version.count_bytes() / 1e6:.2f}"


def _frechet(card_file: pathlib.Path) -> str:
    """Reads the Frechet distance at the largest scale; empty if it is unknown."""
    from msg_modules.report import card

    try:
        index = card.read_front_matter(card_file).get("model-index", [])
        return next(
            f"{value:.3g}"
            for name, value in card.figures(index)
            if name.startswith("Frechet")
        )
    except (AttributeError, ConfigError, StopIteration, TypeError, ValueError):
        return ""
