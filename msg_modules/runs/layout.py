"""Paths in a pipeline root.

TFX writes the outputs of a component to `COMPONENT/OUTPUT/NUMBER`; higher numbers are
newer.
"""

from __future__ import annotations

import contextlib
import json
import pathlib
from collections.abc import Iterator
from typing import Any

from msg_modules.common.errors import MISFIT, ConfigError, RunError

METADATA_FILE = "metadata.sqlite"
SERVING, CHECKPOINTS, LATEST = "serving", "checkpoints", "latest"
# Parts of `COMPONENT/OUTPUT/NUMBER`.
DEPTH = 3
# What GanEvaluator writes.
METRICS_FILE, REPORT_FILE = "metrics.json", "report.html"


def place(pipeline_root: pathlib.Path, uri: str) -> pathlib.Path:
    """Finds an artifact, also after its pipeline root was moved.

    Args:
      pipeline_root: Where the pipeline root is now.
      uri: Where the artifact was written.

    Returns:
      The artifact's directory in the pipeline root if it is there, otherwise where it
      was written.
    """
    written = pathlib.Path(uri)
    here = pipeline_root.joinpath(*written.parts[-DEPTH:])
    return here if here.exists() else written


def newest_evaluation(pipeline_root: pathlib.Path) -> pathlib.Path:
    """Finds the directory of the newest evaluation, with its metrics and report.

    Raises:
      ConfigError: If there is none.
    """
    found = _numbered(pipeline_root, f"GanEvaluator/evaluation/*/{METRICS_FILE}")
    if not found:
        raise ConfigError(
            f"There is no evaluation in {str(pipeline_root)!r}; use the pipeline root"
            " of a run that has completed GanEvaluator."
        )
    return found[-1].parent


def read_metrics(evaluation: pathlib.Path) -> dict[str, Any]:
    """Reads the metrics of an evaluation.

    Args:
      evaluation: An `evaluation` artifact of GanEvaluator.

    Raises:
      RunError: If the file cannot be read.
    """
    with explained(evaluation):
        return json.loads((evaluation / METRICS_FILE).read_text())


@contextlib.contextmanager
def explained(evaluation: pathlib.Path) -> Iterator[None]:
    """Names the metrics of an evaluation in the errors of a block that uses them.

    Args:
      evaluation: An `evaluation` artifact of GanEvaluator.

    Raises:
      RunError: If they cannot be read, or have another form than the block expects.
    """
    try:
        yield
    except (OSError, *MISFIT) as e:
        path = evaluation / METRICS_FILE
        raise RunError(
            f"The metrics {str(path)!r} cannot be read ({type(e).__name__}: {e});"
            f" delete {str(evaluation)!r} and rerun the pipeline."
        ) from e


def newest_examples(pipeline_root: pathlib.Path) -> pathlib.Path:
    """Finds the directory of the newest transformed training examples.

    Raises:
      ConfigError: If there is none.
    """
    found = _numbered(pipeline_root, "Transform/transformed_examples/*/Split-train")
    if not found:
        raise ConfigError(
            f"There are no transformed examples in {str(pipeline_root)!r}; use the"
            " pipeline root of a run that has completed Transform."
        )
    return found[-1]


def newest_samples(run: pathlib.Path) -> pathlib.Path:
    """Finds the directory of the most recently written sample sheets.

    Args:
      run: A pipeline root, or the `--train.checkpoint-dir` of a training.

    Raises:
      ConfigError: If there is none.
    """
    places = ("samples", f"{CHECKPOINTS}/*/samples", f"{LATEST}/samples")
    found = [path for place in places for path in run.glob(place)]
    if not found:
        raise ConfigError(
            f"There are no samples in {str(run)!r}; use the pipeline root of a run that"
            " has started training."
        )
    return max(found, key=lambda path: path.stat().st_mtime)


def pipeline_roots(directory: pathlib.Path) -> list[pathlib.Path]:
    """Returns a directory itself if it is a pipeline root, and those directly below.

    Raises:
      ConfigError: If there is none.
    """
    stores = {*directory.glob(METADATA_FILE), *directory.glob(f"*/{METADATA_FILE}")}
    if not stores:
        raise ConfigError(
            f"There is no {METADATA_FILE} in {str(directory)!r} or directly below it;"
            " use a pipeline root or a directory of pipeline roots."
        )
    return [store.parent for store in sorted(stores)]


def _numbered(pipeline_root: pathlib.Path, pattern: str) -> list[pathlib.Path]:
    """Lists paths `COMPONENT/OUTPUT/NUMBER/NAME`, oldest first."""
    found = pipeline_root.glob(pattern)
    return sorted(found, key=lambda path: int(path.parent.name))
