"""The numbered version directories of a serving directory.

Servers serve the highest number. A version that was rolled back lies in a hidden
directory, which they ignore.
"""

from __future__ import annotations

import pathlib
import shutil
import time

from msg_modules.common.errors import RunError

# The model card in a version directory.
CARD_FILE = "README.md"
# Written last, so that a version without it is incomplete.
MODEL_FILE = "saved_model.pb"
_ROLLED_BACK = ".rolled_back"


def serving_directory(path: str) -> pathlib.Path:
    """Converts a setting to the path of the serving directory.

    Raises:
      RunError: If it is a URI, which would silently become a local directory.
    """
    if "://" in path:
        raise RunError(
            f"serving_dir is {path!r}; it must be a directory, such as one on a volume,"
            " or /gcs/BUCKET/DIRECTORY on Vertex AI."
        )
    return pathlib.Path(path)


def all_versions(serving_dir: pathlib.Path) -> list[pathlib.Path]:
    """Lists the version directories that are not rolled back, oldest first.

    Args:
      serving_dir: A directory of numbered versions; it need not exist.
    """
    found = (path for path in serving_dir.glob("*") if path.name.isdecimal())
    return sorted(filter(pathlib.Path.is_dir, found), key=number)


def complete_versions(serving_dir: pathlib.Path) -> list[pathlib.Path]:
    """Lists the complete ones of `all_versions`; the last one is served."""
    return list(filter(is_complete, all_versions(serving_dir)))


def rolled_back_versions(serving_dir: pathlib.Path) -> list[pathlib.Path]:
    """Lists the version directories that were rolled back, oldest first."""
    return all_versions(serving_dir / _ROLLED_BACK)


def number(version: pathlib.Path) -> int:
    """Returns the number of a version directory."""
    return int(version.name)


def is_complete(version: pathlib.Path) -> bool:
    """Whether a version was written or moved to its end."""
    return (version / MODEL_FILE).is_file()


def rolled_back(version: pathlib.Path) -> pathlib.Path:
    """Returns where a version lies after it was rolled back."""
    return version.parent / _ROLLED_BACK / version.name


def next_version(serving_dir: pathlib.Path) -> pathlib.Path:
    """Returns the directory for the next version.

    Its number is the Unix time, or higher if there is already a version with that
    number, also one that is incomplete or was rolled back.
    """
    taken = [*all_versions(serving_dir), *rolled_back_versions(serving_dir)]
    numbers = [int(time.time()), *(number(version) + 1 for version in taken)]
    return serving_dir / str(max(numbers))


def move(version: pathlib.Path, destination: pathlib.Path) -> None:
    """Moves a version directory, so that readers never see a part of it.

    Args:
      version: The directory, with `saved_model.pb`.
      destination: Its new path on the same file system, which must not exist.
    """
    destination.parent.mkdir(exist_ok=True)
    try:
        version.rename(destination)
    except OSError:
        # Mounted buckets cannot rename directories.
        shutil.copytree(version, destination, ignore=shutil.ignore_patterns(MODEL_FILE))
        shutil.copy2(version / MODEL_FILE, destination / MODEL_FILE)
        remove(version)


def remove(version: pathlib.Path) -> None:
    """Removes a version directory, so that readers never see a part of it."""
    (version / MODEL_FILE).unlink(missing_ok=True)
    shutil.rmtree(version)
