"""Jobs and pods of a cluster, through the official Kubernetes client.

`kubeflow-training`, which has typed jobs, needs a newer Kubernetes client than the
Kubeflow Pipelines SDK for Python 3.10 allows, and does not support JobSet.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import os
import pathlib
import re
from collections.abc import Iterator
from typing import Any

import kubernetes
import urllib3

from msg_modules.common.errors import RunError
from pipeline.kubeflow import job_objects, job_pods

_NAMESPACE_FILE = pathlib.Path(
    "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
)
_FORBIDDEN, _NOT_FOUND, _CONFLICT, _SERVER_ERROR = 403, 404, 409, 500
_TOO_MANY_REQUESTS = 429
_TIMEOUT_SECONDS = 30
_INSTALL = {
    "tfjob": "install the Kubeflow training operator, or compile with"
    " --kubeflow.job-kind jobset",
    "jobset": "install JobSet, or compile with --kubeflow.job-kind tfjob",
    "trainjob": "install Kubeflow Trainer 2.2 or newer, or compile with"
    " --kubeflow.job-kind jobset",
}
# What an admission webhook and a quota say; they refuse with the status of a missing
# permission.
_NOT_PERMISSIONS = ("denied the request", "exceeded quota")
_ERROR_LINE = re.compile(r"error: (.+)")


class Unreachable(RunError):
    """The API server does not answer; a retry may succeed."""


@dataclasses.dataclass(frozen=True)
class Failure:
    """A worker's failure.

    Attributes:
      when: When the worker terminated, in the cluster's time.
      text: The worker and the reason.
    """

    when: str
    text: str


class Jobs:
    """Jobs of one kind in this pod's namespace.

    All methods raise a RunError with a remedy if Kubernetes refuses a request, and
    Unreachable if it does not answer.
    """

    def __init__(self, job_kind: str):
        """Connects to the API server.

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
        """Creates a job."""
        with self._asking(f"create {self._kind.plural}"):
            self._create(body=job)

    def get(self, name: str) -> dict[str, Any] | None:
        """Returns a job, or None if it does not exist."""
        with self._asking(f"get {self._kind.plural}"):
            return _or_none(self._get, name=name)

    def delete(self, name: str) -> None:
        """Deletes a job; it exists until its pods have terminated."""
        with self._asking(f"delete {self._kind.plural}"):
            _or_none(self._delete, name=name, propagation_policy="Foreground")

    def pods(self, name: str) -> dict[int, kubernetes.client.V1Pod]:
        """Returns the newest pod of each worker of a job, by worker index."""
        with self._asking("list pods"):
            pods = self._pods.list_namespaced_pod(
                self._namespace,
                label_selector=f"{job_pods.NAME_LABEL}={name}",
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
        """Returns the log of a pod's container.

        Args:
          pod: The pod.
          seconds: Return only lines of the last `seconds` seconds; None for all.

        Returns:
          Timestamp and text of each line; empty if the container has not started.
        """
        with self._asking("get pods/log"):
            try:
                text = self._pods.read_namespaced_pod_log(
                    pod.metadata.name,
                    self._namespace,
                    since_seconds=seconds,
                    timestamps=True,
                    _request_timeout=_TIMEOUT_SECONDS,
                    # Otherwise the client would deserialize text that is JSON.
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
                f"The Kubernetes API server at {host} does not answer"
                f" ({type(e).__name__}); check that it is running, and that no"
                " NetworkPolicy blocks the steps' pods."
            ) from e
        except kubernetes.client.ApiException as e:
            raise self._explain(e, action) from e

    def _explain(self, e: kubernetes.client.ApiException, action: str) -> RunError:
        if e.status == _FORBIDDEN and any(t in str(e.body) for t in _NOT_PERMISSIONS):
            return RunError(f"Kubernetes refused to {action}: {_message(e)}")
        if e.status == _FORBIDDEN:
            return RunError(
                f"Kubernetes does not allow this step to {action} in the namespace"
                f" {self._namespace!r}; run `kubectl apply -k deploy/kubernetes` there,"
                " and submit with --service-account msg-gan."
            )
        if e.status == _NOT_FOUND:
            return RunError(
                f"The cluster has no {self._kind.name} resource of"
                f" {self._kind.api_version}; {self._install}."
            )
        if e.status == _CONFLICT:
            return RunError(
                "Another run has just started the same training with the same"
                " settings; wait until it has finished, then rerun this step."
            )
        said = f"Kubernetes refused to {action}: {e.status} {e.reason}, {e.body}"
        if e.status >= _SERVER_ERROR or e.status == _TOO_MANY_REQUESTS:
            return Unreachable(said)
        return RunError(said)


def _message(e: kubernetes.client.ApiException) -> str:
    """The message of Kubernetes' `Status`."""
    try:
        return str(json.loads(e.body)["message"])
    except (ValueError, TypeError, KeyError):
        return str(e.body)


def _connect() -> str:
    """Configures the client; returns the namespace."""
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
            "There is neither a service account token nor a kubeconfig to access"
            f" Kubernetes with ({e}); run this step in a cluster, with the token of a"
            " service account mounted."
        ) from e
    return context["context"].get("namespace", "default")


def own_pod() -> tuple[str, str] | None:
    """Name and UID of this pod, as set by Kubeflow Pipelines; None elsewhere."""
    name, uid = (os.environ.get(f"KFP_POD_{what}") for what in ("NAME", "UID"))
    return (name, uid) if name and uid else None


def state(pod: kubernetes.client.V1Pod) -> str:
    """A short description of a pod's state."""
    for status in pod.status.container_statuses or []:
        if status.state.waiting and status.state.waiting.reason:
            return f"{pod.status.phase}, {status.state.waiting.reason}"
    for condition in pod.status.conditions or []:
        if condition.type == "PodScheduled" and condition.status == "False":
            return f"{pod.status.phase}, {condition.reason}: {condition.message}"
    return pod.status.phase


def failure(worker: int, pod: kubernetes.client.V1Pod) -> Failure | None:
    """The failure of a worker, even if it has been restarted since; None if none."""
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
    if pod.status.phase == "Failed":  # Evicted, or its node was lost.
        reason = f"{pod.status.reason}: {pod.status.message}"
        return Failure("", f"worker {worker}: {reason}")
    return None


def _or_none(ask: Any, **arguments: Any) -> dict[str, Any] | None:
    """Kubernetes' answer; None if the object does not exist, but its kind does."""
    try:
        return ask(**arguments)
    except kubernetes.client.ApiException as e:
        # For an unknown kind, the body is plain text.
        if e.status == _NOT_FOUND and '"kind"' in (e.body or ""):
            return None
        raise


def _sortable(time: str) -> str:
    """Pads a timestamp to nanoseconds, so that timestamps sort as text."""
    seconds, _, fraction = time.rstrip("Z").partition(".")
    return f"{seconds}.{fraction:0<9}"
