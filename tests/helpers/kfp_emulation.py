"""What Kubeflow Pipelines v2 does for each step of a compiled pipeline, on one machine.

After backend/src/v2/driver and backend/src/v2/component/launcher_v2.go of
kubeflow/pipelines, and as harsh: a step finds nothing but its inputs, and there is an
output `executor-logs` that nobody declared. Artifacts on `minio://` and `s3://` are
objects of a real S3 server.

There are two generations of both programs, which differ in what a step sees; see
`Generation`. In both, a step can rely on this:

- `{{$}}` is the ExecutorInput, with one artifact per key. Its numbers are doubles.
- An input has its URI, and the files that its producer has left at the local path of
  that URI: `/minio/...`, `/s3/...` or `/gcs/...`. An empty directory is lost. Its type
  and name are not those that the pipeline has declared.
- An input's metadata has what its producer has told, and perhaps more. Strings and
  numbers are as they were.
- Of an output, the parent of its local path exists. What is there afterwards is
  uploaded if the step exits with status 0; after any other status, only its log is.
  The step has to leave something there, as one of the generations insists on it.
- The ExecutorOutput, at `outputFile`, sets the metadata of outputs, of which no value
  may be null. What it says of types and names is ignored.
- `KFP_POD_NAME` and `KFP_POD_UID` are set.
"""

from __future__ import annotations

import copy
import dataclasses
import graphlib
import itertools
import json
import os
import pathlib
import shutil
import subprocess
import sys
import uuid
from collections.abc import Sequence
from typing import Any, Protocol

import object_store
import tensorflow as tf
import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

STEP_SERVER = pathlib.Path(__file__).with_name("step_server.py")
_REPOSITORY = pathlib.Path(__file__).parents[2]

Json = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Generation:
    """What a step of one generation of KFP sees, and another does not.

    Attributes:
      keeps_types: Whether inputs have the type that their producer has declared.
      names_are_ids: Whether the name of an input is a number that no other artifact
        has. If not, it is the key of the output that it was, which several inputs may
        have in common, and it has an `artifactId` as well.
      wraps_values: Whether a list in an input's metadata, or an object, is in an object
        of its own, and a boolean is a number.
      added_metadata: What it adds to the metadata of every artifact.
    """

    keeps_types: bool
    names_are_ids: bool
    wraps_values: bool
    added_metadata: Json

    def as_input(self, artifact: Json, number: int) -> Json:
        """An output of a step, as the driver gives it to another one."""
        kind = artifact["type"]
        title = kind.get("schemaTitle") or kind.get("instanceSchema")
        told = artifact["metadata"]
        if self.wraps_values:
            told = {key: _wrapped(value) for key, value in told.items()}
        metadata = {**told, **self.added_metadata}
        return {
            "name": str(number) if self.names_are_ids else artifact["name"],
            "uri": artifact["uri"],
            "type": {"schemaTitle": title}
            if self.keeps_types
            else {"instanceSchema": ""},
            **({} if self.names_are_ids else {"artifactId": str(uuid.uuid4())}),
            **({"metadata": metadata} if metadata else {}),
        }


def _wrapped(value: Any) -> Any:
    """A value of an artifact's metadata that ML Metadata has stored."""
    if isinstance(value, bool):
        return float(value)
    kind = {list: "list", dict: "struct"}.get(type(value))
    return {kind: value} if kind else value


# Released KFP up to 2.17, which stores artifacts in ML Metadata.
ML_METADATA = Generation(
    keeps_types=False,
    names_are_ids=True,
    wraps_values=True,
    added_metadata={
        "display_name": "an artifact",
        "store_session_info": '{"Provider":"minio","Params":{"fromEnv":"false"}}',
    },
)
# KFP's branch `mlmd-removal`, whose API server stores them.
TASK_API = Generation(
    keeps_types=True, names_are_ids=False, wraps_values=False, added_metadata={}
)


class Starter(Protocol):
    """Starts a step's command line, one at a time."""

    def start(
        self, command: Sequence[str], environment: dict[str, str], log: pathlib.Path
    ) -> int:
        """Starts a command; the process's id."""

    def status(self) -> int:
        """Waits for the command that was started last; its exit status."""


class StepServer:
    """Processes that start quickly; see step_server.py."""

    def __init__(
        self,
        environment: dict[str, str],
        command: Sequence[str] = (sys.executable, str(STEP_SERVER)),
    ) -> None:
        self._process = subprocess.Popen(
            command,
            cwd=_REPOSITORY,
            env={**os.environ, "PYTHONPATH": str(_REPOSITORY), **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._answer() == "ready"

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def start(
        self, command: Sequence[str], environment: dict[str, str], log: pathlib.Path
    ) -> int:
        """Starts `python -m ...`; the process's id."""
        python, dash_m, module, *arguments = command
        assert (python, dash_m) == ("python", "-m")
        job = {
            "module": module,
            "arguments": arguments,
            "environment": environment,
            "log": str(log),
        }
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        return int(self._answer())

    def status(self) -> int:
        """Waits for the process that was started last; its exit status."""
        return int(self._answer())

    def close(self) -> None:
        self._process.communicate(timeout=60)


@dataclasses.dataclass
class Ended:
    """How the process of a step ended, and what it printed."""

    status: int
    output: str


class Cluster:
    """One run of a compiled pipeline.

    Attributes:
      tasks: The steps in an order in which they can run.
      artifacts: The outputs of the steps that have run, by step and key.
    """

    def __init__(
        self,
        package: pathlib.Path,
        directory: pathlib.Path,
        pipeline_root: str,
        server: Starter,
        parameters: Json | None = None,
        generation: Generation = ML_METADATA,
    ):
        """Begins a run.

        Args:
          package: What `compile` wrote.
          directory: Holds the pods' disks, and what `stored` returns.
          pipeline_root: A URI, or a directory that all pods share.
          server: Starts the processes.
          parameters: Runtime parameters.
          generation: Of KFP.
        """
        self._stored = directory / "stored"
        self._disk = directory / "disk"
        self._root = pipeline_root
        self._generation = generation
        self._server = server
        self.parameters = dict(parameters or {})
        self._log = directory / "no.log"
        self._ids = itertools.count(1)
        self._run = uuid.uuid4().hex
        self.artifacts: dict[str, dict[str, Json]] = {}
        self._load(package)
        directory.mkdir(parents=True, exist_ok=True)

    def _load(self, package: pathlib.Path) -> None:
        self._spec = next(iter(yaml.safe_load_all(package.read_text())))
        dag = self._spec["root"]["dag"]["tasks"]
        order = {name: task.get("dependentTasks", []) for name, task in dag.items()}
        self.tasks = list(graphlib.TopologicalSorter(order).static_order())
        self._dag = dag

    def copied(
        self, generation: Generation | None = None, server: Starter | None = None
    ) -> Cluster:
        """A run that goes on from here, and of which this one does not know."""
        other = copy.copy(self)
        other._generation = generation or self._generation
        other._server = server or self._server
        other.artifacts = dict(self.artifacts)
        other.parameters = dict(self.parameters)
        return other

    def with_package(self, package: pathlib.Path) -> Cluster:
        """A run of another package that goes on from the steps that have run here."""
        other = self.copied()
        other.parameters = {}
        other._load(package)
        return other

    def run_all(self) -> None:
        """Runs every step."""
        for task in self.tasks:
            ended = self.run(task)
            assert ended.status == 0, f"{task}: {ended.output}"

    def run(self, task: str, module: str | None = None) -> Ended:
        """Runs a step; `module` stands in for its entry point."""
        request = self.prepare(task)
        self.start(task, request, module)
        return self.finish(task, request)

    def prepare(self, task: str) -> Json:
        """What the driver asks of a step, after the launcher has fetched the inputs."""
        request = self.request(task)
        shutil.rmtree(self._disk, ignore_errors=True)
        for entry in request["inputs"]["artifacts"].values():
            uri = entry["artifacts"][0]["uri"]
            if object_store.is_uri(uri):
                object_store.download(uri, self.local_path(uri))
        for entry in request["outputs"]["artifacts"].values():
            path = self.local_path(entry["artifacts"][0]["uri"])
            path.parent.mkdir(parents=True, exist_ok=True)
        return request

    def command(self, task: str, request: Json) -> list[str]:
        """The container's command line."""
        component = self._spec["components"][task]
        executors = self._spec["deploymentSpec"]["executors"]
        container = executors[component["executorLabel"]]["container"]
        words = [*container["command"], *container["args"]]
        return [word.replace("{{$}}", json.dumps(request)) for word in words]

    @property
    def environment(self) -> dict[str, str]:
        return {
            "KFP_LOCAL_ROOT": str(self._disk),
            "KFP_POD_NAME": "pod",
            "KFP_POD_UID": "00000000-0000-0000-0000-000000000000",
        }

    def start(self, task: str, request: Json, module: str | None = None) -> int:
        """Starts the step's process; its id."""
        python, dash_m, own, *arguments = self.command(task, request)
        self._log = self._log.with_name(f"{next(self._ids)}.log")
        self._log.touch()
        return self._server.start(
            [python, dash_m, module or own, *arguments], self.environment, self._log
        )

    def finish(self, task: str, request: Json) -> Ended:
        """Waits for the step's process, and keeps its outputs if it went well."""
        ended = Ended(self._server.status(), self.output)
        if ended.status == 0:
            self.publish(task, request)
        return ended

    @property
    def output(self) -> str:
        """What the process has printed so far."""
        return self._log.read_text()

    def request(self, task: str) -> Json:
        """The driver's ExecutorInput."""
        spec = self._dag[task]["inputs"]
        component = self._spec["components"][task]
        outputs = component.get("outputDefinitions", {}).get("artifacts", {})
        logs = {"artifactType": {"schemaTitle": "system.Artifact"}}
        task_root = f"{self._root}/msg-gan/{self._run}/{task}/{next(self._ids)}"
        return {
            "inputs": {
                "parameterValues": {
                    name: self._value(value)
                    for name, value in spec.get("parameters", {}).items()
                },
                "artifacts": {
                    key: {"artifacts": [self._input(value["taskOutputArtifact"])]}
                    for key, value in spec.get("artifacts", {}).items()
                },
            },
            "outputs": {
                "artifacts": {
                    key: {
                        "artifacts": [
                            {
                                "name": key,
                                "uri": f"{task_root}/{key}",
                                "type": definition["artifactType"],
                            }
                        ]
                    }
                    for key, definition in {**outputs, "executor-logs": logs}.items()
                },
                "outputFile": f"{self.local_path(task_root)}/output_metadata.json",
            },
        }

    def _value(self, value: Json) -> Any:
        if "componentInputParameter" not in value:
            return value["runtimeValue"]["constant"]
        name = value["componentInputParameter"]
        definition = self._spec["root"]["inputDefinitions"]["parameters"][name]
        given = self.parameters.get(name, definition["defaultValue"])
        # JSON in protobuf knows no integers.
        return float(given) if isinstance(given, int) else given

    def _input(self, source: Json) -> Json:
        artifact = self.artifacts[source["producerTask"]][source["outputArtifactKey"]]
        return self._generation.as_input(artifact, next(self._ids))

    def publish(self, task: str, request: Json) -> None:
        """Uploads the outputs, with what the step says of them."""
        file = pathlib.Path(request["outputs"]["outputFile"])
        told = json_format.MessageToDict(
            # Strictly: a field that it does not know is an error.
            json_format.Parse(file.read_text(), pipeline_spec_pb2.ExecutorOutput())
        ).get("artifacts", {})
        (logs,) = request["outputs"]["artifacts"]["executor-logs"]["artifacts"]
        self.local_path(logs["uri"]).write_text(self.output)
        self.artifacts[task] = {}
        for key, entry in request["outputs"]["artifacts"].items():
            (artifact,) = entry["artifacts"]
            (more,) = told.get(key, {}).get("artifacts", [{}])
            uri, metadata = more.get("uri", artifact["uri"]), more.get("metadata", {})
            assert uri == artifact["uri"], f"{task} moved {key} to {uri}"
            assert None not in metadata.values(), f"{task} told {metadata} of {key}"
            path = self.local_path(uri)
            # The launcher without ML Metadata refuses an output that is not there.
            assert path.exists(), f"{task} has left no {key}"
            if object_store.is_uri(uri):
                object_store.upload(path, uri)
            self.artifacts[task][key] = {**artifact, "metadata": metadata}

    def local_path(self, uri: str) -> pathlib.Path:
        """Where a pod finds the content of a URI."""
        if object_store.is_uri(uri):
            return object_store.local_path(uri, self._disk)
        return pathlib.Path(uri)

    def stored(self, task: str, key: str) -> pathlib.Path:
        """An output of a step, fetched from the object store if it is there."""
        uri = self.artifacts[task][key]["uri"]
        if not object_store.is_uri(uri):
            return pathlib.Path(uri)
        path = object_store.local_path(uri, self._stored)
        object_store.download(uri, path)
        return path


def records(directory: pathlib.Path) -> list[bytes]:
    """All examples in a directory's files, in an order that is not theirs."""
    files = [str(path) for path in sorted(directory.rglob("*.gz"))]
    assert files
    serialized = tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator()
    # The features of an example have no order in a file.
    return sorted(
        tf.train.Example.FromString(text).SerializeToString(deterministic=True)
        for text in serialized
    )
