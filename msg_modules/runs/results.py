"""The results of the newest run of a pipeline."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any

from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2

from msg_modules.common import files
from msg_modules.generator.version_directories import complete_versions
from msg_modules.runs import database, layout
from msg_modules.runs.evaluations import inputs_of, outputs_of, pushed_version


@dataclasses.dataclass(frozen=True)
class Results:
    """Paths of the results of a run.

    Attributes:
      model_run: Directory with the sheet, the curves and the animation.
      evaluation: Content of `metrics.json` (`msg_modules.metrics.judge.to_json`).
      metrics: Path of that file.
      report: The HTML report.
      pushed: The version directory that the generator was pushed to, which may have
        been rolled back or deleted since; None if it was not blessed.
      pushed_copy: Its copy in the pipeline root.
      served: The version that is served; a different one if this generator was not
        pushed, or its run was a cache hit.
    """

    model_run: pathlib.Path
    evaluation: dict[str, Any]
    metrics: pathlib.Path
    report: pathlib.Path
    pushed: pathlib.Path | None
    pushed_copy: pathlib.Path
    served: pathlib.Path | None


def find(
    pipeline_root: pathlib.Path, pipeline: str, serving_dir: pathlib.Path
) -> Results:
    """Looks up the outputs of the newest run of a pipeline.

    Also links `latest` in the pipeline root to the training's directory.

    Args:
      pipeline_root: Directory with `metadata.sqlite`.
      pipeline: Name of the pipeline.
      serving_dir: Directory that generators are pushed to.
    """
    with database.opened(pipeline_root) as store:
        model_run = _output(store, pipeline, "Trainer", "ModelRun")
        evaluation = _output(store, pipeline, "GanEvaluator", "ModelEvaluation")
        pushed = _output(store, pipeline, "Pusher", "PushedModel")
    run_dir, directory = pathlib.Path(model_run.uri), pathlib.Path(evaluation.uri)
    files.link(pipeline_root / layout.LATEST, run_dir)
    return Results(
        model_run=run_dir,
        evaluation=layout.read_metrics(directory),
        metrics=directory / layout.METRICS_FILE,
        report=directory / layout.REPORT_FILE,
        pushed=pushed_version(pushed),
        pushed_copy=pathlib.Path(pushed.uri),
        served=next(reversed(complete_versions(serving_dir)), None),
    )


def moved_from(pipeline_root: pathlib.Path) -> pathlib.Path | None:
    """Finds out whether a pipeline root was moved since its newest artifact.

    Args:
      pipeline_root: Directory with `metadata.sqlite`.

    Returns:
      Where it was; None if it was not moved, only copied, or has no artifacts.

    Raises:
      RunError: If the database cannot be read.
    """
    newest = metadata_store.ListOptions(
        limit=1, order_by=metadata_store.OrderByField.ID, is_asc=False
    )
    with database.opened(pipeline_root) as store:
        for artifact in store.get_artifacts(newest):
            written = pathlib.Path(artifact.uri)
            here = layout.place(pipeline_root, artifact.uri)
            if here != written and not written.exists():
                return written.parents[layout.DEPTH - 1]
    return None


def inputs(pipeline_root: pathlib.Path, pipeline: str, component: str) -> list[str]:
    """Looks up the directories that the newest run of a component reads.

    Args:
      pipeline_root: Directory with `metadata.sqlite`.
      pipeline: Name of the pipeline.
      component: Id of the component.

    Raises:
      RunError: If the database cannot be read.
    """
    with database.opened(pipeline_root) as store:
        execution = _newest_execution(store, pipeline, component)
        return [artifact.uri for artifact in inputs_of(store, execution)]


def _output(
    store: metadata_store.MetadataStore,
    pipeline: str,
    component: str,
    artifact_type: str,
) -> metadata_store_pb2.Artifact:
    """Returns the newest output of a component, cached or not."""
    execution = _newest_execution(store, pipeline, component)
    return next(
        artifact
        for artifact in outputs_of(store, execution)
        if artifact.type == artifact_type
    )


def _newest_execution(
    store: metadata_store.MetadataStore, pipeline: str, component: str
) -> int:
    context = store.get_context_by_type_and_name("node", f"{pipeline}.{component}")
    return max(
        execution.id for execution in store.get_executions_by_context(context.id)
    )
