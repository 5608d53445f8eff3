"""The results of `recipe.py`: a JSON file, with one result a line."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Collection, Sequence
from typing import Literal

from recipe_rows import ROWS, Settings, complete

from msg_modules.common import files
from msg_modules.common.errors import ConfigError

Unit = Literal["minutes", "images"]


@dataclasses.dataclass(frozen=True)
class Conditions:
    """What results that are compared have in common.

    Attributes:
      budget: How long each row is trained.
      unit: Unit of the budget: minutes, or images seen.
      num_images: Number of training images.
      labels: Whether these have class labels.
      machine: What trained, as `timing.describe_machine` says it.
      classifier: Hash of the classifier that measured the distances; None if it was not
        recorded.
    """

    budget: float
    unit: Unit
    num_images: int
    labels: bool
    machine: str
    classifier: str | None


@dataclasses.dataclass(frozen=True)
class Result:
    """What a row reached with a seed.

    Attributes:
      row: Name of the row.
      settings: Its settings; if the row is changed later, they are still these.
      seed: Seed of weights, latents and image order.
      conditions: How it was trained.
      images: Number of images seen. In results without a commit, the mean of all seeds.
      distance: Frechet distance to the validation images, in the classifier's features.
      rotations: The same in the features of a network that learned rotations without
        labels; None if it was not measured.
      commit: The project's version; with `-dirty` if it was changed, None if it was not
        recorded.
      date: When the training ended, as YYYY-MM-DD.
    """

    row: str
    settings: Settings
    seed: int
    conditions: Conditions
    images: int
    distance: float
    rotations: float | None
    commit: str | None
    date: str

    def replaces(self, other: Result) -> bool:
        """Whether both measure the same."""
        return (
            self.settings == other.settings
            and self.seed == other.seed
            and self.conditions == other.conditions
        )


def load(path: pathlib.Path) -> list[Result]:
    """Reads all results; none if the file does not exist.

    Raises:
      ConfigError: If it cannot be read.
    """
    if not path.exists():
        return []
    remedy = "restore it, for example with `git checkout`, or use another --results"
    text = files.read_text(path, "results", remedy)
    try:
        return [
            Result(
                **{
                    **entry,
                    "settings": complete(entry["settings"]),
                    "conditions": Conditions(**entry["conditions"]),
                }
            )
            for entry in json.loads(text)
        ]
    except (KeyError, TypeError, ValueError) as e:
        raise ConfigError(
            f"results is {str(path)!r}, which does not hold results of this benchmark"
            f" ({e}); {remedy}."
        ) from e


def missing(
    results: Sequence[Result],
    names: Collection[str],
    seeds: Collection[int],
    conditions: Conditions,
) -> dict[int, list[str]]:
    """Returns the names of rows without a result, by seed.

    Args:
      results: All results.
      names: Names of rows that should have one.
      seeds: For each of these seeds.
      conditions: Under these conditions.
    """
    has = [(r.settings, r.seed) for r in results if r.conditions == conditions]
    return {
        seed: [name for name in names if (ROWS[name].settings(), seed) not in has]
        for seed in seeds
    }


def add(path: pathlib.Path, result: Result) -> None:
    """Adds a result to a file, atomically; it replaces the one of the same training.

    Args:
      path: The file; its directory must exist.
      result: The new result.
    """
    # Read again, since another process may have added to it.
    kept = [other for other in load(path) if not result.replaces(other)]
    save(path, [*kept, result])


def save(path: pathlib.Path, results: Sequence[Result]) -> None:
    """Writes all results, atomically."""
    lines = [json.dumps(dataclasses.asdict(result)) for result in results]
    files.write_whole(path, "[\n" + ",\n".join(lines) + "\n]\n")
