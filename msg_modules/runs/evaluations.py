"""Looks up the evaluated generators of a pipeline root in ML Metadata."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any

from ml_metadata import errors
from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2

from msg_modules.runs import database, layout

_EVALUATION, _BLESSING = "ModelEvaluation", "ModelBlessing"
_PUSHED = "pushed_destination"
_OUTPUT, _INPUT = metadata_store_pb2.Event.OUTPUT, metadata_store_pb2.Event.INPUT


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """An evaluated generator.

    Attributes:
      directory: The `evaluation` artifact of GanEvaluator.
      found: Content of `metrics.json`.
      pushed: The pushed version; None if it was not pushed.
    """

    directory: pathlib.Path
    found: dict[str, Any]
    pushed: pathlib.Path | None


def find_evaluations(pipeline_root: pathlib.Path) -> list[Evaluation]:
    """Lists the evaluations of a pipeline root, oldest first.

    Evaluations whose files were deleted are skipped.

    Args:
      pipeline_root: Directory with `metadata.sqlite`.

    Raises:
      RunError: If the database or a file cannot be read.
    """
    evaluations = []
    with database.opened(pipeline_root) as store:
        try:
            artifacts = store.get_artifacts_by_type(_EVALUATION)
        except errors.NotFoundError:
            return []
        for artifact in sorted(artifacts, key=lambda artifact: artifact.id):
            directory = layout.place(pipeline_root, artifact.uri)
            if (directory / layout.METRICS_FILE).exists():
                evaluations.append(
                    Evaluation(
                        directory,
                        layout.read_metrics(directory),
                        _pushed(store, artifact.id),
                    )
                )
    return evaluations


def pushed_version(artifact: metadata_store_pb2.Artifact) -> pathlib.Path | None:
    """Returns where a `PushedModel` was pushed to; None if it was not blessed."""
    if _PUSHED not in artifact.custom_properties:
        return None
    return pathlib.Path(artifact.custom_properties[_PUSHED].string_value)


def _pushed(
    store: metadata_store.MetadataStore, evaluation: int
) -> pathlib.Path | None:
    """Finds the version pushed after an evaluation, through its ModelBlessing."""
    for judge in _executions(store, evaluation, _OUTPUT):
        for blessing in outputs_of(store, judge):
            if blessing.type != _BLESSING:
                continue
            for pusher in _executions(store, blessing.id, _INPUT):
                for pushed in outputs_of(store, pusher):
                    if version := pushed_version(pushed):
                        return version
    return None


def _executions(
    store: metadata_store.MetadataStore, artifact: int, kind: int
) -> list[int]:
    events = store.get_events_by_artifact_ids([artifact])
    return [event.execution_id for event in events if event.type == kind]


def outputs_of(
    store: metadata_store.MetadataStore, execution: int
) -> list[metadata_store_pb2.Artifact]:
    """Returns the output artifacts of an execution."""
    return _artifacts(store, execution, _OUTPUT)


def inputs_of(
    store: metadata_store.MetadataStore, execution: int
) -> list[metadata_store_pb2.Artifact]:
    """Returns the input artifacts of an execution."""
    return _artifacts(store, execution, _INPUT)


def _artifacts(
    store: metadata_store.MetadataStore, execution: int, kind: int
) -> list[metadata_store_pb2.Artifact]:
    events = store.get_events_by_execution_ids([execution])
    return store.get_artifacts_by_id(
        [event.artifact_id for event in events if event.type == kind]
    )
