"""Where things lie in a pipeline root.

TFX puts the outputs of a component into `COMPONENT/OUTPUT/NUMBER`; larger numbers are
newer.
"""

from __future__ import annotations

import pathlib

from msg_modules.common.errors import ConfigError

METADATA_FILE = "metadata.sqlite"
SERVING, CHECKPOINTS, LATEST = "serving", "checkpoints", "latest"
# What GanEvaluator writes.
METRICS_FILE, REPORT_FILE = "metrics.json", "report.html"


def newest_evaluation(pipeline_root: pathlib.Path) -> pathlib.Path:
    """The directory of the newest evaluation, with its metrics and its report.

    Raises:
      ConfigError: If there is none.
    """
    found = _numbered(pipeline_root, f"GanEvaluator/evaluation/*/{METRICS_FILE}")
    if not found:
        raise ConfigError(
            f"No generator was evaluated in {str(pipeline_root)!r}; name the pipeline"
            " root of a run that has completed GanEvaluator."
        )
    return found[-1].parent


def newest_examples(pipeline_root: pathlib.Path) -> pathlib.Path:
    """The directory of the newest transformed training examples.

    Raises:
      ConfigError: If there is none.
    """
    found = _numbered(pipeline_root, "Transform/transformed_examples/*/Split-train")
    if not found:
        raise ConfigError(
            f"There are no transformed examples in {str(pipeline_root)!r}; name the"
            " pipeline root of a run that has completed Transform."
        )
    return found[-1]


def newest_samples(run: pathlib.Path) -> pathlib.Path:
    """The directory of the sheets that a training drew last.

    Args:
      run: A pipeline root, or the `--train.checkpoint-dir` of a training.

    Raises:
      ConfigError: If there is none.
    """
    places = ("samples", f"{CHECKPOINTS}/*/samples", f"{LATEST}/samples")
    found = [path for place in places for path in run.glob(place)]
    if not found:
        raise ConfigError(
            f"There are no samples in {str(run)!r}; name the pipeline root of a run"
            " that has started training."
        )
    return max(found, key=lambda path: path.stat().st_mtime)


def pipeline_roots(directory: pathlib.Path) -> list[pathlib.Path]:
    """A pipeline root itself, or those directly below a directory.

    Raises:
      ConfigError: If there is none.
    """
    stores = {*directory.glob(METADATA_FILE), *directory.glob(f"*/{METADATA_FILE}")}
    if not stores:
        raise ConfigError(
            f"There is no {METADATA_FILE} in {str(directory)!r} or directly below it;"
            " name the pipeline root of a run, or the directory of several."
        )
    return [store.parent for store in sorted(stores)]


def _numbered(pipeline_root: pathlib.Path, pattern: str) -> list[pathlib.Path]:
    """Paths `COMPONENT/OUTPUT/NUMBER/NAME`, oldest first."""
    found = pipeline_root.glob(pattern)
    return sorted(found, key=lambda path: int(path.parent.name))
