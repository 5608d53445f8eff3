"""What Kubeflow Pipelines v2 does for each step of a compiled pipeline, on one machine.

After backend/src/v2/driver and backend/src/v2/component/launcher_v2.go of
kubeflow/pipelines, and as harsh: a step finds nothing but its inputs, inputs have no
type, there is an output `executor-logs` that nobody declared, and each declared output
must be there. Artifacts with a URI go through a real S3 server.
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

_REPOSITORY = pathlib.Path(__file__).parents[2]
Json = dict[str, Any]


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

    def __init__(self, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(pathlib.Path(__file__).with_name("step_server.py"))],
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
    ):
        """Begins a run.

        Args:
          package: What `compile` wrote.
          directory: Holds the pods' disks, and what `stored` returns.
          pipeline_root: A URI, or a directory that all pods share.
          server: Starts the processes.
          parameters: Runtime parameters.
        """
        self._stored = directory / "stored"
        self._disk = directory / "disk"
        self._root = pipeline_root
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

    def copied(self) -> Cluster:
        """A run that goes on from here, and of which this one does not know."""
        other = copy.copy(self)
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
        return {"KFP_LOCAL_ROOT": str(self._disk)}

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
        return {
            **artifact,
            "name": str(next(self._ids)),
            "type": {"instanceSchema": ""},
        }

    def publish(self, task: str, request: Json) -> None:
        """Uploads the outputs, with what the step says of them."""
        file = pathlib.Path(request["outputs"]["outputFile"])
        told = json_format.MessageToDict(
            # Strictly: a field that it does not know is an error.
            json_format.Parse(file.read_text(), pipeline_spec_pb2.ExecutorOutput())
        ).get("artifacts", {})
        self.artifacts[task] = {}
        for key, entry in request["outputs"]["artifacts"].items():
            (artifact,) = entry["artifacts"]
            for more in told.get(key, {}).get("artifacts", [{}]):
                uri = more.get("uri", artifact["uri"])
                assert uri == artifact["uri"], f"{task} moved {key} to {uri}"
                artifact = {**artifact, "metadata": more.get("metadata", {})}
            path = self.local_path(artifact["uri"])
            # The launcher without ML Metadata refuses an output that is not there.
            assert path.exists() or key == "executor-logs", f"{task} has left no {key}"
            if object_store.is_uri(artifact["uri"]):
                object_store.upload(path, artifact["uri"])
            self.artifacts[task][key] = artifact

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
