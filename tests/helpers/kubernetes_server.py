"""A Kubernetes of one machine: the part of its HTTP API that the Trainer's step uses.

It does with a job what the training operator, JobSet or Kubeflow Trainer, and a kubelet
do, after their sources: pods with the environment that they would have, started again
or not, and statuses of that. A pod's container is a process here, and the names of pods
in DNS are ports of 127.0.0.1.
"""

from __future__ import annotations

import copy
import dataclasses
import http.server
import importlib.metadata
import itertools
import json
import multiprocessing
import os
import pathlib
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

Json = dict[str, Any]

NAMESPACE = "kubeflow"
_JOBS = {
    "tfjobs": "kubeflow.org/v1",
    "jobsets": "jobset.x-k8s.io/v1alpha2",
    "trainjobs": "trainer.kubeflow.org/v1alpha1",
}
_RUNTIME = pathlib.Path(__file__).parents[2] / "deploy/kubernetes/trainer/runtime.yaml"
# The ClusterTrainingRuntime that an administrator applies.
RUNTIME: Json = yaml.safe_load(_RUNTIME.read_text())
_ANCESTOR = "trainer.kubeflow.org/trainjob-ancestor-step"
# Its server imports TensorFlow once and runs nothing on it.
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["msg_modules.training.run_fn"])


def warm_up() -> None:
    """Has TensorFlow imported before a pod is waited for."""
    process = _PROCESSES.Process(target=int)
    process.start()
    process.join()


def _become(words: list[str], environment: dict[str, str], log: str) -> None:
    """Turns a process into that of a container, whose command a package installs."""
    for number in (1, 2):
        os.dup2(os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT), number)
    sys.stdout, sys.stderr = os.fdopen(1, "w", 1), os.fdopen(2, "w", 1)
    os.environ.update(environment)
    (command,) = importlib.metadata.entry_points(group="console_scripts", name=words[0])
    sys.exit(command.load()(words[1:]))


class Container:
    """A process that a container's command is."""

    def __init__(self, words: list[str], environment: dict[str, str], log: str):
        self._process = _PROCESSES.Process(
            target=_become, args=(words, environment, log)
        )
        self._process.start()

    @property
    def status(self) -> int | None:
        """The exit status; None while it runs."""
        self._process.join(0)
        code = self._process.exitcode
        return 128 - code if code is not None and code < 0 else code

    def signal(self, number: int) -> None:
        if self._process.pid and self.status is None:
            os.kill(self._process.pid, number)


class Pod:
    """A worker's pod."""

    def __init__(self, server: Kubernetes, name: str, labels: dict[str, str]):
        self.name = name
        self.labels = labels
        self.restarts = 0
        self.created = _now()
        self.container: Any = None
        self.last_state: Json = {}
        self.ended_at = 0.0
        self._ended: Json | None = None
        self._server = server
        self._lines: list[tuple[float, str, str]] = []
        self._read = 0
        self.log_file = pathlib.Path()

    def start(self, words: list[str], environment: dict[str, str]) -> None:
        self._lines, self._read, self._ended = [], 0, None
        number = next(self._server.starts)
        self.log_file = self._server.directory / f"{self.name}-{number}.log"
        self.container = self._server.make_container(
            words, environment, str(self.log_file)
        )

    def ended(self) -> Json | None:
        """The `terminated` state; None while it runs."""
        status = self.container.status
        if status is not None and self._ended is None:
            printed = self.log_file.read_text() if self.log_file.exists() else ""
            self.ended_at = time.monotonic()
            self._ended = {"exitCode": status, "finishedAt": _now()}
            self._ended["reason"] = "Error" if status else "Completed"
            if status:  # FallbackToLogsOnError
                self._ended["message"] = printed[-2048:]
        return self._ended

    def lines(self, since_seconds: float | None) -> str:
        content = self.log_file.read_text() if self.log_file.exists() else ""
        complete = content[self._read : content.rfind("\n") + 1]
        self._read += len(complete)
        for line in complete.splitlines():
            stamp = f"{_now()[:-1]}.{time.time_ns() % 10**9:09d}Z"
            self._lines.append((time.monotonic(), stamp, line))
        first = 0.0 if since_seconds is None else time.monotonic() - since_seconds
        return "".join(f"{s} {line}\n" for t, s, line in self._lines if t >= first)

    def to_json(self) -> Json:
        ended = self.ended()
        state = {"terminated": ended} if ended else {"running": {"startedAt": _now()}}
        phase = "Running"
        if ended:
            phase = "Failed" if ended["exitCode"] else "Succeeded"
        container = {
            "name": "tensorflow",
            "image": "",
            "imageID": "",
            "ready": not ended,
            "restartCount": self.restarts,
            "state": state,
            "lastState": self.last_state,
        }
        return {
            "metadata": {
                "name": self.name,
                "labels": self.labels,
                "creationTimestamp": self.created,
            },
            "status": {"phase": phase, "containerStatuses": [container]},
        }


def made_of(job: Json, runtime: Json = RUNTIME) -> Json:
    """What pods are made of: a job, or the JobSet of a TrainJob and its runtime."""
    return _job_set_of(job, runtime) if job["kind"] == "TrainJob" else job


def template_of(made: Json) -> Json:
    """The template of the pods of what `made_of` returns."""
    if made["kind"] == "TFJob":
        return made["spec"]["tfReplicaSpecs"]["Worker"]["template"]
    return made["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]


def _job_set_of(train_job: Json, runtime: Json) -> Json:
    """The JobSet that Kubeflow Trainer makes of a TrainJob and its plain runtime.

    After pkg/runtime/framework/plugins/{plainml,jobset} and the merge of patches.
    """
    spec = copy.deepcopy(runtime["spec"]["template"]["spec"])
    trainer = train_job["spec"]["trainer"]
    (job,) = (
        job
        for job in spec["replicatedJobs"]
        if job["template"]["metadata"]["labels"][_ANCESTOR] == "trainer"
    )
    count = trainer["numNodes"]
    job["template"]["spec"].update(parallelism=count, completions=count)
    pods = job["template"]["spec"]["template"]
    (node,) = (c for c in pods["spec"]["containers"] if c["name"] == "node")
    for patch in train_job["spec"]["runtimePatches"]:
        patches = patch["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"]
        for patched in patches:
            assert patched["name"] == job["name"], "not in the runtime"
            _merge(pods, patched["template"]["spec"]["template"])
    for field in ("image", "command"):
        node[field] = trainer[field]
    node["resources"] = trainer["resourcesPerNode"]
    node["env"] = [*node.get("env", []), *trainer["env"]]
    return {"kind": "JobSet", "metadata": train_job["metadata"], "spec": spec}


def _merge(target: Json, patch: Json) -> None:
    """A strategic merge: maps are merged, and lists by the names of their items."""
    for key, value in patch.items():
        if isinstance(value, dict):
            _merge(target.setdefault(key, {}), value)
        elif isinstance(value, list) and value and "name" in value[0]:
            items = target.setdefault(key, [])
            for item in value:
                found = [i for i in items if i["name"] == item["name"]]
                if found:
                    _merge(found[0], item)
                else:
                    items.append(copy.deepcopy(item))
        else:
            target[key] = copy.deepcopy(value)


@dataclasses.dataclass
class Job:
    """A job, and what its operator has made of it.

    Attributes:
      body: The object, as the API server has it.
      made: What the pods are made of: the object, or the JobSet of a TrainJob.
      pods: The pods.
      restarts: How often all pods were restarted.
      is_deleted: Whether it is being deleted.
    """

    body: Json
    made: Json
    pods: list[Pod]
    restarts: int = 0
    is_deleted: bool = False

    def end(self, outcome: str, message: str = "") -> None:
        conditions = self.body.setdefault("status", {}).setdefault("conditions", [])
        conditions.append({"type": outcome, "status": "True", "message": message})

    @property
    def has_ended(self) -> bool:
        return "status" in self.body


class Kubernetes(http.server.ThreadingHTTPServer):
    """Serves until `close`.

    Attributes:
      requests: What was asked: method and path.
      created: The bodies of the jobs that were created.
      jobs: The jobs that are there.
      runtimes: The ClusterTrainingRuntimes that are there, by name.
      refusal: A status with which all is refused.
      make_container: Starts a container of a command line, an environment and a file
        for what it prints.
    """

    def __init__(self, directory: pathlib.Path, kubeconfig: pathlib.Path):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.directory = directory
        self.requests: list[tuple[str, str]] = []
        self.created: list[Json] = []
        self.jobs: dict[str, Job] = {}
        self.plurals = tuple(_JOBS)
        self.runtimes = {RUNTIME["metadata"]["name"]: RUNTIME}
        self.refusal: int | None = None
        self.make_container: Callable[..., Any] = Container
        self.lock = threading.RLock()
        self.starts = itertools.count(1)
        self._ports: dict[str, int] = {}
        self._stopped = threading.Event()
        _write_kubeconfig(kubeconfig, f"http://127.0.0.1:{self.server_port}")
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        self._operator = threading.Thread(target=self._operate, daemon=True)
        self._operator.start()

    def close(self) -> None:
        self._stopped.set()
        self._operator.join()
        for job in self.jobs.values():
            for pod in job.pods:
                pod.container.signal(signal.SIGKILL)
        self.shutdown()
        self.server_close()

    @property
    def pods(self) -> list[Pod]:
        return [pod for job in self.jobs.values() for pod in job.pods]

    def create(self, body: Json) -> None:
        name = body["metadata"]["name"]
        self.created.append(json.loads(json.dumps(body)))
        self.jobs[name] = Job(body, made_of(body), [])

    def delete(self, name: str) -> None:
        """In the foreground: a job is there as long as its pods are.

        They are asked to end in any order, and here the chief is the last by a second.
        """
        job = self.jobs[name]
        if job.is_deleted:
            return
        job.is_deleted = True
        for pod in job.pods:
            delay = 1.0 if pod is job.pods[0] else 0.0
            threading.Timer(delay, pod.container.signal, [signal.SIGTERM]).start()

    def _operate(self) -> None:
        while not self._stopped.wait(0.05):
            with self.lock:
                for name, job in list(self.jobs.items()):
                    if job.is_deleted:
                        if all(pod.ended() for pod in job.pods):
                            del self.jobs[name]
                    elif not job.has_ended:
                        if not job.pods:
                            self._start_pods(job)
                        self._reconcile(job)

    def _reconcile(self, job: Job) -> None:
        ended = [pod.ended() for pod in job.pods]
        failed = [
            p for p, e in zip(job.pods, ended, strict=True) if e and e["exitCode"]
        ]
        if job.body["kind"] == "TFJob":
            self._reconcile_tf_job(job, failed)
        elif failed:
            if job.restarts < job.made["spec"]["failurePolicy"]["maxRestarts"]:
                job.restarts += 1
                self._stop_pods(job)
                self._start_pods(job)
            else:
                job.end("Failed", "jobset failed due to reaching max restarts")
        elif all(ended):
            is_train_job = job.body["kind"] == "TrainJob"
            job.end("Complete" if is_train_job else "Completed")

    def _reconcile_tf_job(self, job: Job, failed: list[Pod]) -> None:
        worker = job.body["spec"]["tfReplicaSpecs"]["Worker"]
        if failed and worker["restartPolicy"] == "Never":
            job.end("Failed", "TFJob has failed because 1 Worker replica(s) failed.")
            return
        for pod in failed:  # The kubelet's part; it waits for seconds.
            if time.monotonic() < pod.ended_at + 0.3:
                continue
            pod.last_state = {"terminated": pod.ended()}
            pod.restarts += 1
            self._start(job, pod)
        limit = job.body["spec"]["runPolicy"]["backoffLimit"]
        if sum(pod.restarts for pod in job.pods) >= limit:
            self._stop_pods(job)
            job.pods.clear()
            job.end("Failed", "Job has reached the specified backoff limit")
        elif (end := job.pods[0].ended()) and not end["exitCode"]:
            job.end("Succeeded")

    def _stop_pods(self, job: Job) -> None:
        for pod in job.pods:
            pod.container.signal(signal.SIGKILL)

    def _start_pods(self, job: Job) -> None:
        name, spec = job.made["metadata"]["name"], job.made["spec"]
        # Of a worker that ended a moment ago the port may not be free again.
        self._ports.clear()
        if job.made["kind"] == "TFJob":
            count = spec["tfReplicaSpecs"]["Worker"]["replicas"]
            names = [f"{name}-worker-{i}" for i in range(count)]
            own = "training.kubeflow.org/replica-index"
        else:
            (replicated,) = spec["replicatedJobs"]
            count = replicated["template"]["spec"]["completions"]
            prefix = f"{name}-{replicated['name']}-0"
            names = [f"{prefix}-{i}-r{job.restarts}" for i in range(count)]
            own = "batch.kubernetes.io/job-completion-index"
        labels = template_of(job.made)["metadata"]["labels"]
        job.pods = [
            Pod(self, name, {**labels, own: str(i)}) for i, name in enumerate(names)
        ]
        for pod in job.pods:
            self._start(job, pod)

    def _start(self, job: Job, pod: Pod) -> None:
        index = job.pods.index(pod)
        (container,) = template_of(job.made)["spec"]["containers"]
        environment: dict[str, str] = {}
        for entry in container["env"]:
            environment[entry["name"]] = _value(entry, pod, environment)
        if job.body["kind"] == "TFJob":
            name = job.body["metadata"]["name"]
            hosts = [
                f"{name}-worker-{i}.{NAMESPACE}.svc:2222" for i in range(len(job.pods))
            ]
            config = {
                "cluster": {"worker": hosts},
                "task": {"type": "worker", "index": index},
                "environment": "cloud",
            }
            environment["TF_CONFIG"] = json.dumps(config)
        environment["TF_CONFIG"] = re.sub(
            r"(?<=\")[\w.-]+:2222(?=\")", self._resolve, environment["TF_CONFIG"]
        )
        pod.start(container["command"], environment)

    def _resolve(self, host: re.Match[str]) -> str:
        if host[0] not in self._ports:
            with socket.socket() as s:
                s.bind(("127.0.0.1", 0))
                self._ports[host[0]] = s.getsockname()[1]
        return f"127.0.0.1:{self._ports[host[0]]}"


def _value(entry: Json, pod: Pod, before: dict[str, str]) -> str:
    """The value of a variable, as the kubelet finds it."""
    if "value" in entry:
        return re.sub(r"\$\((\w+)\)", lambda m: before[m[1]], entry["value"])
    path = entry["valueFrom"]["fieldRef"]["fieldPath"]
    # The Job controller writes the label as an annotation as well.
    return pod.labels[re.fullmatch(r"metadata\.annotations\['(.+)'\]", path)[1]]


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _write_kubeconfig(path: pathlib.Path, url: str) -> None:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "contexts": [
            {
                "name": "here",
                "context": {"cluster": "c", "user": "u", "namespace": NAMESPACE},
            }
        ],
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
    path.write_text(yaml.safe_dump(config))


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Kubernetes

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def do_DELETE(self) -> None:
        self._answer("DELETE")

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _answer(self, method: str) -> None:
        url = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with self.server.lock:
            self.server.requests.append((method, url.path))
            if self.server.refusal:
                self._send_status(self.server.refusal, "refused")
            elif match := re.fullmatch(
                rf"/apis/([\w.-]+/\w+)/namespaces/{NAMESPACE}/(\w+)(?:/([\w-]+))?",
                url.path,
            ):
                version, plural, name = match.groups()
                if _JOBS.get(plural) != version or plural not in self.server.plurals:
                    self._send(404, "text/plain", "404 page not found\n")
                else:
                    self._answer_about_jobs(method, name, body, query)
            else:
                self._answer_about_pods(url.path, query)

    def _answer_about_jobs(
        self, method: str, name: str | None, body: bytes, query: dict[str, str]
    ) -> None:
        if method == "POST":
            job = json.loads(body)
            if job["metadata"]["name"] in self.server.jobs:
                self._send_status(409, "it is there already")
                return
            ref = job["spec"].get("runtimeRef")
            if ref and ref["name"] not in self.server.runtimes:
                # As Kubeflow Trainer's admission webhook says it.
                self._send_status(
                    403,
                    'admission webhook "validator.trainjob.trainer.kubeflow.org" denied'
                    f' the request: ClusterTrainingRuntime "{ref["name"]}" not found',
                )
                return
            self.server.create(job)
            self._send_json(job, 201)
        elif name not in self.server.jobs:
            self._send_status(404, f"{name!r} not found")
        else:
            job = self.server.jobs[name].body
            if method == "DELETE":
                assert query["propagationPolicy"] == "Foreground"
                self.server.delete(name)
            self._send_json(job)

    def _answer_about_pods(self, path: str, query: dict[str, str]) -> None:
        if path.endswith("/pods"):
            key, value = query["labelSelector"].split("=")
            pods = [p for p in self.server.pods if p.labels.get(key) == value]
            self._send_json({"items": [pod.to_json() for pod in pods]})
            return
        name = re.fullmatch(rf"/api/v1/namespaces/{NAMESPACE}/pods/(.+)/log", path)[1]
        assert query["timestamps"] == "True"
        since = query.get("sinceSeconds")
        (pod,) = (p for p in self.server.pods if p.name == name)
        self._send(200, "text/plain", pod.lines(float(since) if since else None))

    def _send_status(self, status: int, message: str) -> None:
        self._send_json({"kind": "Status", "code": status, "message": message}, status)

    def _send_json(self, answer: Json, status: int = 200) -> None:
        self._send(status, "application/json", json.dumps(answer))

    def _send(self, status: int, content_type: str, text: str) -> None:
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
