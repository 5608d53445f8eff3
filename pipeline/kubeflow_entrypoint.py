"""What a container of Kubeflow Pipelines v2 starts for a step.

TFX's own entry point understands Vertex AI. On open-source Kubeflow it fails: inputs
come without their type, an output `executor-logs` comes that TFX does not know, and
URIs name an object store that TensorFlow cannot open. KFP's launcher copies inputs
from there to a local directory, and outputs from another one to there. This entry
point says all that in TFX's terms, has TFX run the step, and translates what the
step says of its outputs back.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import json
import os
import pathlib
import shutil
import sys
import traceback
from collections.abc import Iterator, Sequence
from typing import Any

from msg_modules import console, files, interruption
from msg_modules.errors import ConfigError, Interrupted, RunError, root_message
from pipeline import kubeflow_parameters

# Where KFP's launcher keeps the copies: backend/src/v2/component/launcher_v2.go.
_COPIES = {"minio://": "minio", "s3://": "s3", "gs://": "gcs"}
# Tests keep them elsewhere than in the file system's root.
_COPIES_ROOT_VARIABLE = "KFP_LOCAL_ROOT"
_LAUNCHERS_OWN = "executor-logs"
# Kubernetes shows what it finds here as the reason why a pod failed.
_TERMINATION_LOG = "/dev/termination-log"
_FAILED, _USAGE, _SIGNALLED = 1, 2, 128

Json = dict[str, Any]


def main(
    argv: Sequence[str] | None = None, termination_log: str = _TERMINATION_LOG
) -> int:
    """Runs a step.

    Args:
      argv: The arguments as `KubeflowV2DagRunner` writes them; None for the
        process's own.
      termination_log: A file that gets the reason of a failure, if it is there.

    Returns:
      The exit status: 0 if the step is done, 1 if it failed, 2 for a request that
      is malformed or asks for a setting that is not allowed, 130 or 143 if it
      was interrupted.
    """
    console.quiet_libraries()
    try:
        with interruption.caught() as received:
            try:
                _run(sys.argv[1:] if argv is None else argv)
            except Exception as e:
                if received:  # Beam makes text of the exceptions of its steps.
                    raise Interrupted(received[0]) from e
                raise
    except Interrupted as e:
        reason = "Interrupted; started again, the step goes on from its checkpoint."
        return _fail(reason, _SIGNALLED + e.signal_number, termination_log)
    except ConfigError as e:
        return _fail(str(e), _USAGE, termination_log)
    except RunError as e:
        return _fail(str(e), _FAILED, termination_log)
    except Exception as e:  # An executor is anyone's code, and raises what it likes.
        traceback.print_exc()
        return _fail(root_message(e), _FAILED, termination_log)
    return 0


def _fail(reason: str, status: int, termination_log: str) -> int:
    console.fail(reason)
    # It is not there outside of Kubernetes, and is not to be created.
    with contextlib.suppress(OSError), open(termination_log, "r+") as file:
        file.write(f"{reason}\n")
    return status


def _run(argv: Sequence[str]) -> None:
    args, beam_args = _parser().parse_known_args(argv)
    request = _parse_json(args.json_serialized_invocation_args, "ExecutorInput")
    definitions = _parse_json(
        args.json_serialized_inputs_spec_args, "ComponentInputsSpec"
    )
    uris = _Uris(pathlib.Path(os.environ.get(_COPIES_ROOT_VARIABLE, "/")))
    try:
        translated = _translate(request, definitions, uris)
        output_file = pathlib.Path(translated["outputs"]["outputFile"])
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as e:
        raise ConfigError(
            "json_serialized_invocation_args is no ExecutorInput of this step"
            f" ({type(e).__name__}: {e}); it must be what KFP puts in place of"
            " {{$}}."
        ) from e
    # Here and not above: these take half a minute, and a wrong request needs none.
    from google.protobuf import json_format
    from kfp.pipeline_spec import pipeline_spec_pb2
    from tfx.orchestration.kubeflow.v2.container import (
        kubeflow_v2_entrypoint_utils,
        kubeflow_v2_run_executor,
    )
    from tfx.orchestration.portable import outputs_utils

    _check_executor(args.executor_class_path)
    outputs = json_format.ParseDict(
        translated, pipeline_spec_pb2.ExecutorInput(), ignore_unknown_fields=True
    ).outputs.artifacts
    outputs_utils.make_output_dirs(
        kubeflow_v2_entrypoint_utils.parse_raw_artifact_dict(outputs)
    )
    args.json_serialized_invocation_args = json.dumps(translated)
    kubeflow_v2_run_executor.main((args, beam_args))
    told = json.loads(output_file.read_text())
    files.write_whole(output_file, json.dumps(uris.restore(told)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.kubeflow_entrypoint",
        description="Runs one step of a pipeline that kubeflow_runner.py compiled."
        " Further arguments go to Beam.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--executor_class_path", required=True, help="import path of the executor"
    )
    parser.add_argument(
        "--json_serialized_invocation_args", required=True, help="KFP's ExecutorInput"
    )
    parser.add_argument(
        "--json_serialized_inputs_spec_args",
        required=True,
        help="definitions of the step's inputs",
    )
    return parser


def _parse_json(text: str, what: str) -> Json:
    try:
        value = json.loads(text)
    except ValueError as e:
        raise ConfigError(f"{text[:60]!r} is no {what} ({e}).") from e
    if not isinstance(value, dict):
        raise ConfigError(f"{text[:60]!r} is no {what}; it must be a JSON object.")
    return value


def _check_executor(path: str) -> None:
    from tfx.utils import import_utils

    try:
        import_utils.import_class_by_path(path)
    except (AttributeError, ImportError, ValueError) as e:
        raise RunError(
            f"The executor {path!r} cannot be imported ({e}); the image must hold the"
            " code that the pipeline was compiled from."
        ) from e


class _Uris:
    """Local paths in place of URIs, and the URIs again."""

    def __init__(self, copies: pathlib.Path):
        """Begins with none.

        Args:
          copies: The directory of the launcher's directories of copies.
        """
        self._copies = copies
        self._uris: dict[str, str] = {}

    def to_local(self, artifact: Json) -> str:
        """Where the launcher has the content of an artifact.

        Args:
          artifact: A `RuntimeArtifact`. A URI that is a path already, or one that
            TensorFlow opens by itself, stays as it is.
        """
        uri = artifact["uri"]
        local = artifact.get("customPath") or uri
        for scheme, directory in _COPIES.items():
            if local.startswith(scheme):
                local = str(self._copies / directory / local.removeprefix(scheme))
        self._uris[local] = uri
        return local

    def restore(self, value: Any) -> Any:
        """The same JSON, with the URI for each local path in it."""
        if isinstance(value, dict):
            return {key: self.restore(entry) for key, entry in value.items()}
        if isinstance(value, list):
            return [self.restore(entry) for entry in value]
        return self._uris.get(value, value) if isinstance(value, str) else value


def _translate(request: Json, definitions: Json, uris: _Uris) -> Json:
    """KFP's request in the form that TFX understands.

    What an attempt before this one left of the outputs is removed, so that they are
    as if the step had run once.

    Raises:
      RunError: If an input is not there.
    """
    translated = copy.deepcopy(request)
    inputs = translated.setdefault("inputs", {})
    inputs["parameterValues"] = kubeflow_parameters.fold(
        inputs.get("parameterValues", {}), definitions.get("parameters", {})
    )
    for key, artifact in _artifacts(inputs):
        artifact["type"] = definitions["artifacts"][key]["artifactType"]
        uri = artifact["uri"]
        artifact["uri"] = uris.to_local(artifact)
        if "://" not in artifact["uri"] and not os.path.exists(artifact["uri"]):
            raise RunError(
                f"The input {key!r} is {uri!r}, and nothing is at"
                f" {artifact['uri']!r}; run the step again that makes it, without the"
                " cache."
            )
    outputs = translated["outputs"]
    outputs.get("artifacts", {}).pop(_LAUNCHERS_OWN, None)
    for _, artifact in _artifacts(outputs):
        artifact["uri"] = uris.to_local(artifact)
        _remove(pathlib.Path(artifact["uri"]))
    # TFX would take it for the answer of a driver.
    _remove(pathlib.Path(outputs["outputFile"]))
    return translated


def _artifacts(side: Json) -> Iterator[tuple[str, Json]]:
    for key, entry in side.get("artifacts", {}).items():
        for artifact in entry.get("artifacts", []):
            yield key, artifact


def _remove(path: pathlib.Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
