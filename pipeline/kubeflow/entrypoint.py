"""Container entry point of a step on Kubeflow Pipelines v2 or Vertex AI.

TFX's own entry point supports Vertex AI. On open-source Kubeflow it fails: up to KFP
2.17, inputs lack their type; there is an output `executor-logs` that TFX does not know;
and URIs point to an object store that TensorFlow cannot open. KFP's launcher copies
inputs from there to a local directory, and outputs from a local directory to there.
This entry point translates the request into TFX's terms, lets TFX run the step, and
translates the output metadata back. Vertex AI has no such launcher: there, this entry
point itself copies artifacts for steps that need files, and passes URIs on to the Beam
steps.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import importlib.metadata
import json
import os
import pathlib
import sys
import tempfile
import traceback
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msg_modules.common import console, signals
from msg_modules.common.errors import (
    MISFIT,
    ConfigError,
    Interrupted,
    RunError,
    root_message,
)
from pipeline.kubeflow import artifact_places, runtime_parameters
from pipeline.kubeflow.artifact_places import Places, artifacts_of

# Lets tests move the launcher's copies out of the root directory.
_COPIES_ROOT_VARIABLE = "KFP_LOCAL_ROOT"
_LAUNCHERS_OWN = "executor-logs"
# Kubernetes shows the content of this file as the reason for a pod's failure.
_TERMINATION_LOG = "/dev/termination-log"
_FAILED, _USAGE, _SIGNALLED = 1, 2, 128

Json = dict[str, Any]


def main(
    argv: Sequence[str] | None = None, termination_log: str = _TERMINATION_LOG
) -> int:
    """Runs a step.

    Args:
      argv: The arguments as `KubeflowV2DagRunner` writes them; None for
        `sys.argv`.
      termination_log: File to write the reason of a failure to, if it exists.

    Returns:
      The exit status: 0 on success, 1 on failure, 2 for a malformed request or an
      invalid setting, 130 or 143 if interrupted.
    """
    console.quiet_libraries()
    try:
        with signals.caught():
            _run(sys.argv[1:] if argv is None else argv)
    except Interrupted as e:
        reason = "Interrupted; a retry of the step resumes from its checkpoint."
        return _fail(reason, _SIGNALLED + e.signal_number, termination_log)
    except ConfigError as e:
        return _fail(str(e), _USAGE, termination_log)
    except RunError as e:
        return _fail(str(e), _FAILED, termination_log)
    except Exception as e:  # Executors may raise anything.
        traceback.print_exc()
        return _fail(root_message(e), _FAILED, termination_log)
    return 0


def tfx_version() -> str:
    """Returns the version of the installed TFX."""
    return importlib.metadata.version("tfx")


def _fail(reason: str, status: int, termination_log: str) -> int:
    console.fail(reason)
    # Outside Kubernetes the file does not exist, and must not be created.
    with contextlib.suppress(OSError), open(termination_log, "r+") as file:
        file.write(f"{reason}\n")
    return status


def _run(argv: Sequence[str]) -> None:
    args, beam_args = _parser().parse_known_args(argv)
    _check_tfx(args.tfx)
    request = _parse_json(args.json_serialized_invocation_args, "ExecutorInput")
    definitions = _parse_json(
        args.json_serialized_inputs_spec_args, "ComponentInputsSpec"
    )
    with _copies(args.artifacts) as copies:
        places = Places(args.artifacts, copies)
        try:
            translated = _translate(request, definitions, places)
        except MISFIT as e:
            raise ConfigError(
                "json_serialized_invocation_args is not an ExecutorInput of this step"
                f" ({type(e).__name__}: {e}); it must be the value that KFP substitutes"
                " for {{$}}."
            ) from e
        inputs = request.get("inputs", {})
        if args.artifacts != "launcher":
            artifact_places.check_schemes({"inputs": inputs, **request})
        if args.artifacts == "copies":
            _copy(inputs, translated["inputs"])
        _check_inputs(inputs, translated["inputs"])
        told = _run_executor(args, beam_args, translated)
        if args.artifacts == "copies":
            _copy(translated["outputs"], request["outputs"])
    artifact_places.write(
        request["outputs"]["outputFile"], json.dumps(places.restore(told))
    )


@contextlib.contextmanager
def _copies(access: artifact_places.Access) -> Iterator[pathlib.Path]:
    """Yields the parent directory of the copies of artifacts."""
    if access == "copies":
        with tempfile.TemporaryDirectory() as own:
            yield pathlib.Path(own)
    else:
        yield pathlib.Path(os.environ.get(_COPIES_ROOT_VARIABLE, "/"))


def _run_executor(
    args: argparse.Namespace, beam_args: list[str], translated: Json
) -> Json:
    """Lets TFX run the step; returns its output metadata."""
    # Imported late, so that malformed requests fail fast.
    from google.protobuf import json_format
    from kfp.pipeline_spec import pipeline_spec_pb2
    from tfx.dsl.io import fileio
    from tfx.orchestration.kubeflow.v2.container import (
        kubeflow_v2_entrypoint_utils,
        kubeflow_v2_run_executor,
    )
    from tfx.orchestration.portable import outputs_utils

    _check_executor(args.executor_class_path, translated["inputs"]["parameterValues"])
    # Remove leftovers of an earlier attempt: they would mix with the new outputs, and
    # TFX would take an existing output file for the output of a driver.
    output_file = translated["outputs"]["outputFile"]
    artifact_places.remove(output_file)
    for _, artifact in artifacts_of(translated["outputs"]):
        artifact_places.remove(artifact["uri"])
    outputs = json_format.ParseDict(
        translated, pipeline_spec_pb2.ExecutorInput(), ignore_unknown_fields=True
    ).outputs.artifacts
    outputs_utils.make_output_dirs(
        kubeflow_v2_entrypoint_utils.parse_raw_artifact_dict(outputs)
    )
    args.json_serialized_invocation_args = json.dumps(translated)
    kubeflow_v2_run_executor.main((args, beam_args))
    with fileio.open(output_file, "r") as file:
        return json.load(file)


def _copy(side: Json, other: Json) -> None:
    """Copies the artifacts of one side of a request to the places of the other."""
    targets = dict(artifacts_of(other))
    for key, artifact in artifacts_of(side):
        if key in targets:
            artifact_places.copy(artifact["uri"], targets[key]["uri"])


def _check_inputs(asked: Json, translated: Json) -> None:
    """Raises a RunError if a local copy of an input is missing."""
    uris = {key: artifact["uri"] for key, artifact in artifacts_of(asked)}
    for key, artifact in artifacts_of(translated):
        place = artifact["uri"]
        if "://" not in place and not os.path.exists(place):
            raise RunError(
                f"The input {key!r} is {uris[key]!r}, but {place!r} does not exist;"
                " rerun the step that produces it with caching disabled."
            )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.kubeflow.entrypoint",
        description="Runs one step of a pipeline that kubeflow_runner.py compiled."
        " Unknown arguments are passed to Beam.",
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
    parser.add_argument(
        "--tfx", required=True, help="version of TFX that compiled the pipeline"
    )
    parser.add_argument(
        "--artifacts",
        choices=artifact_places.ACCESSES,
        default="launcher",
        help="who copies artifacts with a URI: KFP's launcher (launcher), this program"
        " (copies), or no one (uris)",
    )
    return parser


def _parse_json(text: str, what: str) -> Json:
    try:
        value = json.loads(text)
    except ValueError as e:
        raise ConfigError(f"{text[:60]!r} is not a valid {what} ({e}).") from e
    if not isinstance(value, dict):
        raise ConfigError(
            f"{text[:60]!r} is not a valid {what}; it must be a JSON object."
        )
    return value


def _check_tfx(compiled: str) -> None:
    own = tfx_version()
    if own != compiled:
        python = "{}.{}".format(*sys.version_info)
        raise RunError(
            f"The pipeline was compiled with TFX {compiled}, but this image has TFX"
            f" {own}; compile with `uv run --python {python} --extra kubeflow"
            " kubeflow_runner.py compile`, or with an image that has the same TFX."
        )


def _check_executor(path: str, parameters: Mapping[str, Any]) -> None:
    """Raises a RunError unless the executor is that of the compiled pipeline."""
    from tfx.utils import import_utils

    from pipeline import fingerprint

    try:
        import_utils.import_class_by_path(path)
    except (AttributeError, ImportError, ValueError) as e:
        raise RunError(
            f"The executor {path!r} cannot be imported ({e}); the image must contain"
            " the code that the pipeline was compiled from."
        ) from e
    compiled, own = parameters.get("code"), fingerprint.hash_run(path, parameters)
    if own != compiled:
        raise RunError(
            f"The pipeline was compiled from code with hash {compiled}, but this image"
            f" has {own} for {path}; rebuild the image from the code that compiles the"
            " pipeline, and compile again."
        )


def _translate(request: Json, definitions: Json, places: Places) -> Json:
    """Translates KFP's request to the form that TFX understands."""
    translated = copy.deepcopy(request)
    inputs = translated.setdefault("inputs", {})
    inputs["parameterValues"] = runtime_parameters.fold(
        inputs.get("parameterValues", {}), definitions.get("parameters", {})
    )
    for key, artifact in artifacts_of(inputs):
        artifact["type"] = definitions["artifacts"][key]["artifactType"]
        artifact["uri"] = places.place_of(artifact)
    outputs = translated["outputs"]
    outputs.get("artifacts", {}).pop(_LAUNCHERS_OWN, None)
    outputs["outputFile"] = places.output_file(outputs)
    for _, artifact in artifacts_of(outputs):
        artifact["uri"] = places.place_of(artifact)
    return translated


if __name__ == "__main__":
    sys.exit(main())
