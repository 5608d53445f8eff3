"""The versions of a serving directory: listing, rolling back and pruning them."""

from __future__ import annotations

import dataclasses
import datetime
import pathlib
from typing import Literal

from msg_modules.common.errors import ConfigError, RunError
from msg_modules.generator import version_directories

_AGAIN = "look at `msg-gan versions` and try again"


@dataclasses.dataclass(frozen=True)
class PushedVersion:
    """A version of a serving directory.

    Attributes:
      path: Its directory.
      state: `older` if it was pushed before the served one, `incomplete` if its push is
        running or was killed.
    """

    path: pathlib.Path
    state: Literal["served", "older", "rolled back", "incomplete"]

    @property
    def number(self) -> int:
        """The number of the version."""
        return version_directories.number(self.path)

    def pushed(self) -> datetime.datetime:
        """Returns when it was pushed, in UTC; it must be complete."""
        written = (self.path / version_directories.MODEL_FILE).stat().st_mtime
        return datetime.datetime.fromtimestamp(written, datetime.timezone.utc)

    def count_bytes(self) -> int:
        """Returns the size of its files."""
        files = (path for path in self.path.rglob("*") if path.is_file())
        return sum(path.stat().st_size for path in files)


def find_versions(serving_dir: pathlib.Path) -> list[PushedVersion]:
    """Lists the versions of a serving directory, oldest first.

    Raises:
      ConfigError: If there is none.
    """
    complete = version_directories.complete_versions(serving_dir)
    in_place = version_directories.all_versions(serving_dir)
    aside = version_directories.rolled_back_versions(serving_dir)
    # If a version is in both places, the one that is complete counts.
    found = {
        path.name: PushedVersion(path, "incomplete")
        for path in (*aside, *in_place)
        if not version_directories.is_complete(path)
    }
    for path in filter(version_directories.is_complete, aside):
        found[path.name] = PushedVersion(path, "rolled back")
    for path in complete:
        found[path.name] = PushedVersion(path, "older")
    if not found:
        raise ConfigError(
            f"There is no version in {str(serving_dir)!r}; use a directory that"
            " generators are pushed to, such as output/quickstart/serving."
        )
    if complete:
        found[complete[-1].name] = PushedVersion(complete[-1], "served")
    return sorted(found.values(), key=lambda version: version.number)


def find_served(versions: list[PushedVersion]) -> PushedVersion | None:
    """Returns the version that is served; None if there is none."""
    return next((version for version in versions if version.state == "served"), None)


def rollback(serving_dir: pathlib.Path, to: int | None) -> PushedVersion:
    """Makes another version the served one.

    Newer versions are moved aside, and a version that was rolled back is moved back.
    Servers see a single change, from the version served before to this one.

    Args:
      serving_dir: The serving directory.
      to: Number of the version; None for the one before the served version.

    Returns:
      The version that is served now.

    Raises:
      ConfigError: If there is no such version, or it is incomplete.
      RunError: If another process pushes or moves versions at the same time.
    """
    target = _choose(serving_dir, find_versions(serving_dir), to)
    newer = [
        path
        for path in version_directories.all_versions(serving_dir)
        if version_directories.number(path) > target.number
    ]
    for path in newer:
        if not version_directories.is_complete(path):
            raise RunError(
                f"The newer version {str(path)!r} is incomplete: its push is running or"
                " was killed; wait until it is complete, or delete it."
            )
    try:
        if target.state == "rolled back":
            version_directories.move(target.path, serving_dir / target.path.name)
        # In this order, the served version stays the newest one until the last move.
        for path in newer:
            version_directories.move(path, version_directories.rolled_back(path))
    except FileNotFoundError as e:
        raise RunError(
            f"Another process moved or removed versions in {str(serving_dir)!r} at the"
            f" same time ({e.filename!r} is gone); {_AGAIN}."
        ) from e
    served = find_served(find_versions(serving_dir))
    if served is None or served.number != target.number:
        raise RunError(
            f"Another process changed the versions in {str(serving_dir)!r} at the same"
            f" time: {served.number if served else 'none'} is served instead of"
            f" {target.number}; {_AGAIN}."
        )
    return served


def prune(serving_dir: pathlib.Path, keep: int) -> list[tuple[PushedVersion, int]]:
    """Removes old versions.

    The served version, the `keep` - 1 before it, rolled back or not, and all that are
    newer are kept. Older versions that are incomplete are removed.

    Args:
      serving_dir: The serving directory.
      keep: Number of versions to keep, at least 1.

    Returns:
      The removed versions, oldest first, and their sizes in bytes.

    Raises:
      ConfigError: If no version is served.
    """
    versions = find_versions(serving_dir)
    served = find_served(versions)
    if served is None:
        raise ConfigError(
            f"No version in {str(serving_dir)!r} is served; choose one with `msg-gan"
            " rollback --to` first."
        )
    old = [version for version in versions if version.number < served.number]
    complete = [version for version in old if version.state != "incomplete"]
    kept = complete[max(0, len(complete) - (keep - 1)) :]
    removed = [
        (version, version.count_bytes()) for version in old if version not in kept
    ]
    for version, _ in removed:
        version_directories.remove(version.path)
    return removed


def _choose(
    serving_dir: pathlib.Path, versions: list[PushedVersion], to: int | None
) -> PushedVersion:
    """Returns the version to serve."""
    complete = {v.number: v for v in versions if v.state != "incomplete"}
    known = ", ".join(map(str, complete)) or "none"
    if to in complete:
        return complete[to]
    if to is None:
        older = [version for version in versions if version.state == "older"]
        if older:
            return older[-1]
        raise ConfigError(
            f"There is no older version in {str(serving_dir)!r} to roll back to; use"
            f" --to with another version, or push one (complete versions: {known})."
        )
    if to in (version.number for version in versions):
        raise ConfigError(
            f"to is {to}, which has no saved_model.pb: its push is running or was"
            f" killed; use a complete version in {str(serving_dir)!r}: {known}."
        )
    raise ConfigError(f"to is {to}; use a version in {str(serving_dir)!r}: {known}.")
