"""What a finished run left, found through ML Metadata."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import shutil
from typing import Any

from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2
from tfx.orchestration import metadata

from msg_modules.evaluations import METRICS_FILE, REPORT_FILE
from msg_modules.saved_models import complete_versions
from pipeline.configs import PipelineConfig

_LATEST = "latest"


@dataclasses.dataclass(frozen=True)
class Results:
    """Where the results of the newest run lie.

    Attributes:
      model_run: Directory with the sheet, the curves and the animation.
      evaluation: What `metrics.json` holds (`msg_modules.metrics.judge.to_json`).
      metrics: That file.
      report: The page that shows all of it.
      pushed: The version directory of the pushed generator; None if it was not
        blessed.
      newest: The newest version in the serving directory: another one if this
        generator was not pushed, or its run was answered from the cache.
    """

    model_run: pathlib.Path
    evaluation: dict[str, Any]
    metrics: pathlib.Path
    report: pathlib.Path
    pushed: pathlib.Path | None
    newest: pathlib.Path | None


def find(config: PipelineConfig) -> Results:
    """Looks up the outputs of the newest run of a pipeline.

    Also points `latest` in the pipeline root at the training's directory, and
    brings back a pushed version that was deleted: a Pusher that is answered from
    the cache does not notice.
    """
    connection = metadata.sqlite_metadata_connection_config(str(config.metadata_path))
    with metadata.Metadata(connection) as handle:
        model_run = _output(handle.store, config.name, "Trainer", "ModelRun")
        evaluation = _output(
            handle.store, config.name, "GanEvaluator", "ModelEvaluation"
        )
        pushed = _output(handle.store, config.name, "Pusher", "PushedModel")
    run_dir = pathlib.Path(model_run.uri)
    _point(pathlib.Path(config.pipeline_root) / _LATEST, run_dir)
    metrics = pathlib.Path(evaluation.uri) / METRICS_FILE
    report = pathlib.Path(evaluation.uri) / REPORT_FILE
    version = None
    if "pushed_destination" in pushed.custom_properties:
        version = pathlib.Path(
            pushed.custom_properties["pushed_destination"].string_value
        )
        if not version.exists():
            _copy_whole(pathlib.Path(pushed.uri), version)
    newest = next(reversed(complete_versions(config.serving_path)), None)
    return Results(
        model_run=run_dir,
        evaluation=json.loads(metrics.read_text()),
        metrics=metrics,
        report=report,
        pushed=version,
        newest=newest,
    )


def _output(
    store: metadata_store.MetadataStore,
    pipeline: str,
    component: str,
    artifact_type: str,
) -> metadata_store_pb2.Artifact:
    """The newest output of a component, cached or not."""
    context = store.get_context_by_type_and_name("node", f"{pipeline}.{component}")
    execution = max(
        store.get_executions_by_context(context.id), key=lambda execution: execution.id
    )
    events = store.get_events_by_execution_ids([execution.id])
    ids = [e.artifact_id for e in events if e.type == metadata_store_pb2.Event.OUTPUT]
    return next(
        artifact
        for artifact in store.get_artifacts_by_id(ids)
        if artifact.type == artifact_type
    )


def _copy_whole(source: pathlib.Path, target: pathlib.Path) -> None:
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(source, part)
    part.rename(target)


def _point(link: pathlib.Path, target: pathlib.Path) -> None:
    part = link.with_name(f".{link.name}.part")
    part.unlink(missing_ok=True)
    part.symlink_to(os.path.relpath(target, link.parent))
    part.replace(link)
