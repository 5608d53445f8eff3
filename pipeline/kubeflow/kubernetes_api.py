"""The jobs and pods of a cluster, through Kubernetes' own client.

`kubeflow-training`, which has typed jobs, needs a newer Kubernetes client than the
Kubeflow Pipelines SDK of Python 3.10 takes, and knows no JobSet.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import pathlib
import re
from collections.abc import Iterator
from typing import Any

import kubernetes
import urllib3

from msg_modules.common.errors import RunError
from pipeline.kubeflow import job_objects

_NAMESPACE_FILE = pathlib.Path(
    "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
)
_FORBIDDEN, _NOT_FOUND, _CONFLICT, _SERVER_ERROR = 403, 404, 409, 500
_TOO_MANY_REQUESTS = 429
_TIMEOUT_SECONDS = 30
_INSTALL = {
    "tfjob": "install Kubeflow's training operator, or compile with --kubeflow.job-kind"
    " jobset",
    "jobset": "install JobSet, or compile with --kubeflow.job-kind tfjob",
}
_ERROR_LINE = re.compile(r"error: (.+)")


class Unreachable(RunError):
    """The API server does not answer now; it may later."""


@dataclasses.dataclass(frozen=True)
class Failure:
    """How a worker ended that failed.

    Attributes:
      when: When it ended, in the cluster's time.
      text: Which one, and why.
    """

    when: str
    text: str


class Jobs:
    """The jobs of one kind in the namespace of this pod.

    Its methods raise a RunError that names the remedy if Kubernetes refuses, and
    Unreachable if it does not answer.
    """

    def __init__(self, job_kind: str):
        """Finds the API server.

        Args:
          job_kind: A key of `job_objects.KINDS`.

        Raises:
          RunError: If there is neither a service account nor a kubeconfig.
        """
        self._kind = job_objects.KINDS[job_kind]
        self._install = _INSTALL[job_kind]
        self._namespace = _connect()
        self._pods = kubernetes.client.CoreV1Api()
        jobs = kubernetes.client.CustomObjectsApi()
        where = {
            "group": self._kind.group,
            "version": self._kind.version,
            "namespace": self._namespace,
            "plural": self._kind.plural,
            "_request_timeout": _TIMEOUT_SECONDS,
        }
        self._create = functools.partial(jobs.create_namespaced_custom_object, **where)
        self._get = functools.partial(jobs.get_namespaced_custom_object, **where)
        self._delete = functools.partial(jobs.delete_namespaced_custom_object, **where)

    def create(self, job: dict[str, Any]) -> None:
        """Sends a job."""
        with self._asking(f"create {self._kind.plural}"):
            self._create(body=job)

    def get(self, name: str) -> dict[str, Any] | None:
        """Finds a job; None if there is none of that name."""
        with self._asking(f"get {self._kind.plural}"):
            return _or_none(self._get, name=name)

    def delete(self, name: str) -> None:
        """Has a job and its pods removed; it is gone when they have ended."""
        with self._asking(f"delete {self._kind.plural}"):
            _or_none(self._delete, name=name, propagation_policy="Foreground")

    def pods(self, name: str) -> dict[int, kubernetes.client.V1Pod]:
        """The newest pod of each worker of a job."""
        with self._asking("list pods"):
            pods = self._pods.list_namespaced_pod(
                self._namespace,
                label_selector=f"{job_objects.NAME_LABEL}={name}",
                _request_timeout=_TIMEOUT_SECONDS,
            ).items
        pods.sort(key=lambda pod: str(pod.metadata.creation_timestamp))
        label = self._kind.index_label
        return {
            int(pod.metadata.labels[label]): pod
            for pod in pods
            if label in pod.metadata.labels
        }

    def log(
        self, pod: kubernetes.client.V1Pod, seconds: int | None
    ) -> list[tuple[str, str]]:
        """What a pod's container printed.

        Args:
          pod: The pod.
          seconds: How far to look back; None for all.

        Returns:
          Time and text of each line; nothing if the container has not started.
        """
        with self._asking("get pods/log"):
            try:
                text = self._pods.read_namespaced_pod_log(
                    pod.metadata.name,
                    self._namespace,
                    since_seconds=seconds,
                    timestamps=True,
                    _request_timeout=_TIMEOUT_SECONDS,
                    # The client would make something else of a text that is JSON.
                    _preload_content=False,
                ).data.decode(errors="replace")
            except kubernetes.client.ApiException as e:
                if e.status in (_FORBIDDEN, _TOO_MANY_REQUESTS):
                    raise
                return []
        stamped = (line.partition(" ") for line in text.splitlines())
        return [(_sortable(time), line) for time, _, line in stamped]

    @contextlib.contextmanager
    def _asking(self, action: str) -> Iterator[None]:
        try:
            yield
        except urllib3.exceptions.HTTPError as e:
            host = kubernetes.client.Configuration.get_default_copy().host
            raise Unreachable(
                f"Kubernetes' API server at {host} does not answer"
                f" ({type(e).__name__}); see whether it runs, and whether a"
                " NetworkPolicy keeps the pods of the steps from it."
            ) from e
        except kubernetes.client.ApiException as e:
            raise self._explain(e, action) from e

    def _explain(self, e: kubernetes.client.ApiException, action: str) -> RunError:
        if e.status == _FORBIDDEN:
            return RunError(
                f"Kubernetes does not let this step {action} in the namespace"
                f" {self._namespace!r}; `kubectl apply -k deploy/kubernetes` there, and"
                " submit with --service-account msg-gan."
            )
        if e.status == _NOT_FOUND:
            return RunError(
                f"Kubernetes knows no {self._kind.name} of"
                f" {self._kind.api_version}; {self._install}."
            )
        if e.status == _CONFLICT:
            return RunError(
                "Another run has just started to train the same with the same"
                " settings; wait for its end, and run this step again."
            )
        said = f"Kubernetes refuses to {action}: {e.status} {e.reason}, {e.body}"
        if e.status >= _SERVER_ERROR or e.status == _TOO_MANY_REQUESTS:
            return Unreachable(said)
        return RunError(said)


def _connect() -> str:
    """Sets the client up; returns the namespace."""
    try:
        kubernetes.config.load_incluster_config()
        return _NAMESPACE_FILE.read_text().strip()
    except kubernetes.config.ConfigException:
        pass
    try:
        kubernetes.config.load_kube_config()
        _, context = kubernetes.config.list_kube_config_contexts()
    except kubernetes.config.ConfigException as e:
        raise RunError(
            "There is neither a service account of a pod nor a kubeconfig, by which"
            f" Kubernetes could be asked to train ({e}); run this step in a cluster,"
            " with a service account whose token is mounted."
        ) from e
    return context["context"].get("namespace", "default")


def own_pod() -> tuple[str, str] | None:
    """Name and UID of this pod, as Kubeflow Pipelines gives them."""
    name, uid = (os.environ.get(f"KFP_POD_{what}") for what in ("NAME", "UID"))
    return (name, uid) if name and uid else None


def state(pod: kubernetes.client.V1Pod) -> str:
    """How a pod stands, in a word or two."""
    for status in pod.status.container_statuses or []:
        if status.state.waiting and status.state.waiting.reason:
            return f"{pod.status.phase}, {status.state.waiting.reason}"
    for condition in pod.status.conditions or []:
        if condition.type == "PodScheduled" and condition.status == "False":
            return f"{pod.status.phase}, {condition.reason}: {condition.message}"
    return pod.status.phase


def failure(worker: int, pod: kubernetes.client.V1Pod) -> Failure | None:
    """Why a worker failed that has failed, also if it was started again."""
    for status in pod.status.container_statuses or []:
        for container_state in (status.state, status.last_state):
            ended = container_state and container_state.terminated
            if ended and ended.exit_code:
                lines = (ended.message or "").strip().splitlines() or [""]
                said = [m[1] for line in lines if (m := _ERROR_LINE.match(line))]
                reason = (said or lines)[-1] or (
                    f"{ended.reason}, exit status {ended.exit_code}"
                )
                return Failure(str(ended.finished_at), f"worker {worker}: {reason}")
    if pod.status.phase == "Failed":  # Evicted, or its node is lost.
        reason = f"{pod.status.reason}: {pod.status.message}"
        return Failure("", f"worker {worker}: {reason}")
    return None


def _or_none(ask: Any, **arguments: Any) -> dict[str, Any] | None:
    """What Kubernetes answers; None if it has no such object, but has the kind."""
    try:
        return ask(**arguments)
    except kubernetes.client.ApiException as e:
        # Of an unknown kind it says so in plain text.
        if e.status == _NOT_FOUND and '"kind"' in (e.body or ""):
            return None
        raise


def _sortable(time: str) -> str:
    """The same time, with as many digits as another one."""
    seconds, _, fraction = time.rstrip("Z").partition(".")
    return f"{seconds}.{fraction:0<9}"
