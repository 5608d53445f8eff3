"""What GanEvaluator left under a pipeline root."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from typing import Any

from ml_metadata import errors
from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2

from msg_modules.errors import ConfigError

METRICS_FILE, REPORT_FILE = "metrics.json", "report.html"
STORE_FILE = "metadata.sqlite"
_EVALUATION, _BLESSING = "ModelEvaluation", "ModelBlessing"
_PUSHED = "pushed_destination"
_OUTPUT, _INPUT = metadata_store_pb2.Event.OUTPUT, metadata_store_pb2.Event.INPUT


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """A generator that was judged.

    Attributes:
      directory: The `evaluation` of GanEvaluator.
      found: What `metrics.json` holds.
      pushed: The version that was pushed; None if it was not.
    """

    directory: pathlib.Path
    found: dict[str, Any]
    pushed: pathlib.Path | None


def newest_evaluation(pipeline_root: pathlib.Path) -> pathlib.Path:
    """The directory of the newest evaluation, with its metrics and its report.

    Raises:
      ConfigError: If there is none.
    """
    files = pipeline_root.glob(f"GanEvaluator/evaluation/*/{METRICS_FILE}")
    newest = max(files, key=lambda path: int(path.parent.name), default=None)
    if newest is None:
        raise ConfigError(
            f"No generator was judged in {str(pipeline_root)!r}; name the pipeline root"
            " of a run that has passed GanEvaluator."
        )
    return newest.parent


def find_evaluations(pipeline_root: pathlib.Path) -> list[Evaluation]:
    """Looks up what was judged under a pipeline root, oldest first.

    Evaluations whose files were deleted are left out.

    Args:
      pipeline_root: Where `metadata.sqlite` lies.
    """
    store = _open(pipeline_root / STORE_FILE)
    evaluations = []
    try:
        artifacts = store.get_artifacts_by_type(_EVALUATION)
    except errors.NotFoundError:
        return []
    for artifact in sorted(artifacts, key=lambda artifact: artifact.id):
        directory = pathlib.Path(artifact.uri)
        path = directory / METRICS_FILE
        if path.exists():
            evaluations.append(
                Evaluation(
                    directory, json.loads(path.read_text()), _pushed(store, artifact.id)
                )
            )
    return evaluations


def _open(path: pathlib.Path) -> metadata_store.MetadataStore:
    config = metadata_store_pb2.ConnectionConfig()
    config.sqlite.filename_uri = str(path)
    config.sqlite.connection_mode = (
        metadata_store_pb2.SqliteMetadataSourceConfig.READONLY
    )
    return metadata_store.MetadataStore(config)


def _pushed(
    store: metadata_store.MetadataStore, evaluation: int
) -> pathlib.Path | None:
    """The version that followed from an evaluation: through the blessing beside it."""
    for judge in _executions(store, evaluation, _OUTPUT):
        for blessing in _artifacts(store, judge, _OUTPUT):
            if blessing.type != _BLESSING:
                continue
            for pusher in _executions(store, blessing.id, _INPUT):
                for pushed in _artifacts(store, pusher, _OUTPUT):
                    if _PUSHED in pushed.custom_properties:
                        return pathlib.Path(
                            pushed.custom_properties[_PUSHED].string_value
                        )
    return None


def _executions(
    store: metadata_store.MetadataStore, artifact: int, kind: int
) -> list[int]:
    events = store.get_events_by_artifact_ids([artifact])
    return [event.execution_id for event in events if event.type == kind]


def _artifacts(
    store: metadata_store.MetadataStore, execution: int, kind: int
) -> list[metadata_store_pb2.Artifact]:
    events = store.get_events_by_execution_ids([execution])
    return store.get_artifacts_by_id(
        [event.artifact_id for event in events if event.type == kind]
    )
