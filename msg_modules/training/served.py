"""The trainings behind the versions of a serving directory."""

from __future__ import annotations

import dataclasses
import pathlib

from msg_modules.common.errors import ConfigError
from msg_modules.generator import origin, version_directories
from msg_modules.training import starting_point


@dataclasses.dataclass(frozen=True)
class Served:
    """The training that a served generator comes from.

    Attributes:
      version: Number of the served version.
      directory: Work directory of the training, which has checkpoints.
      step: The step that was exported; the training may have gone on since.
    """

    version: int
    directory: pathlib.Path
    step: int

    @property
    def fingerprint(self) -> str:
        """Identifies the training and the step, for cache keys."""
        return f"{self.directory.name}-{self.step}"


def find(serving_dir: str, checkpoint_root: str) -> Served | None:
    """Finds the training behind the served version.

    Args:
      serving_dir: Directory that generators are pushed to.
      checkpoint_root: Parent of the work directories of trainings.

    Returns:
      The training, or None if no version is served.

    Raises:
      ConfigError: If the training is not known, or has no checkpoint there.
      RunError: If `serving_dir` is a URI.
    """
    directory = version_directories.serving_directory(serving_dir)
    versions = version_directories.complete_versions(directory)
    if not versions:
        return None
    made = origin.read(versions[-1])
    if made is None:
        raise ConfigError(
            f"train.start_from is 'served', but {str(versions[-1])!r} does not record"
            " its training; run once without --train.start-from, or name the"
            " training's directory."
        )
    training = pathlib.Path(checkpoint_root) / made.training
    if not starting_point.saved_checkpoints(training):
        raise ConfigError(
            f"train.start_from is 'served', but the training of {str(versions[-1])!r}"
            f" has no checkpoint in {str(training)!r}; run once without"
            " --train.start-from, or name a directory with that training."
        )
    return Served(version_directories.number(versions[-1]), training, made.step)


def trainings(serving_dir: str) -> set[str]:
    """Lists the trainings whose generators are, or can be made, the served one.

    Args:
      serving_dir: Directory that generators are pushed to.

    Returns:
      The names of their work directories.

    Raises:
      RunError: If `serving_dir` is a URI.
    """
    directory = version_directories.serving_directory(serving_dir)
    versions = [
        *version_directories.complete_versions(directory),
        *version_directories.rolled_back_versions(directory),
    ]
    return {made.training for made in map(origin.read, versions) if made}
