"""Kubernetes objects of the job that trains on several pods."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, Literal

from msg_modules.configs import ModelConfig, TrainConfig, to_flags
from pipeline.kubeflow import pod_settings
from pipeline.kubeflow.configs import KubeflowConfig

# Label of each pod of a job; its value is the job's name.
NAME_LABEL = "app.kubernetes.io/instance"
# Identifies the step attempt that created the job: only that one may delete it.
ATTEMPT_ANNOTATION = "msg-gan/attempt"

_PORT = 2222
_VOLUME = "msg-gan"
_INDEX_VARIABLE = "WORKER_INDEX"
# On SIGTERM a worker finishes its training step and saves a checkpoint.
GRACE_SECONDS = 60
# Cleans up a finished job if its step is no longer there to delete it.
_TIME_TO_LIVE_SECONDS = 24 * 3600

Json = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of job in the Kubernetes API."""

    name: str
    group: str
    version: str
    plural: str

    index_label: str
    """Pod label with the worker's index; worker 0 is the chief."""

    @property
    def api_version(self) -> str:
        """The `apiVersion` of the job."""
        return f"{self.group}/{self.version}"


KINDS = {
    "tfjob": Kind(
        "TFJob", "kubeflow.org", "v1", "tfjobs", "training.kubeflow.org/replica-index"
    ),
    "jobset": Kind(
        "JobSet",
        "jobset.x-k8s.io",
        "v1alpha2",
        "jobsets",
        "batch.kubernetes.io/job-completion-index",
    ),
}


def command(
    staging: str,
    checkpoint_root: str,
    code: str,
    model: ModelConfig,
    train: TrainConfig,
) -> list[str]:
    """Builds the command line of each pod.

    Args:
      staging: Directory on the volume with the transformed examples in `examples/`;
        the chief writes to `output/`.
      checkpoint_root: Directory on the volume for checkpoints.
      code: Identifies the version of the code.
      model: Network settings.
      train: Training settings.

    Returns:
      The command and its arguments.
    """
    return [
        *("msg-gan", "train"),
        *("--examples", f"{staging}/examples", "--output", f"{staging}/output"),
        *("--checkpoints", checkpoint_root, "--code", code),
        *to_flags("model", model),
        *to_flags("train", train),
    ]


def build(
    name: str,
    words: list[str],
    workers: int,
    config: KubeflowConfig,
    attempt: str = "",
    owner: tuple[str, str] | None = None,
) -> Json:
    """Builds the Kubernetes object of a job.

    Args:
      name: The job's name.
      words: The command line of each pod.
      workers: Number of pods.
      config: Settings of the pods.
      attempt: Identifies this attempt of the step.
      owner: Name and UID of the step's pod: Kubernetes deletes the job with it.

    Returns:
      A `TFJob` or a `JobSet` as JSON.
    """
    kind = KINDS[config.job_kind]
    metadata: Json = {
        "name": name,
        "labels": {NAME_LABEL: name, "app.kubernetes.io/name": "msg-gan"},
        "annotations": {ATTEMPT_ANNOTATION: attempt},
    }
    if owner:
        pod, uid = owner
        metadata["ownerReferences"] = [
            {"apiVersion": "v1", "kind": "Pod", "name": pod, "uid": uid}
        ]
    make_spec = {"tfjob": _tf_job, "jobset": _job_set}[config.job_kind]
    return {
        "apiVersion": kind.api_version,
        "kind": kind.name,
        "metadata": metadata,
        "spec": make_spec(name, words, workers, config),
    }


def outcome(job: Json) -> tuple[Literal["succeeded", "failed"] | None, str]:
    """Reads the outcome of a job from its status.

    Args:
      job: The object as returned by Kubernetes.

    Returns:
      The outcome, or None while the job is running; and the operator's message if it
      failed.
    """
    conditions = {
        c["type"]: c.get("message", "")
        for c in job.get("status", {}).get("conditions", [])
        if c["status"] == "True"
    }
    if "Failed" in conditions:
        return "failed", conditions["Failed"]
    # TFJob reports Succeeded, JobSet reports Completed.
    if conditions.keys() & {"Succeeded", "Completed"}:
        return "succeeded", ""
    return None, ""


def _tf_job(name: str, words: list[str], workers: int, config: KubeflowConfig) -> Json:
    run_policy: Json = {
        # The step reads the logs before it deletes the job.
        "cleanPodPolicy": "None",
        "ttlSecondsAfterFinished": _TIME_TO_LIVE_SECONDS,
        # The operator sums the restarts of all pods, and one failure restarts them all.
        # It gives up when the sum reaches this limit.
        "backoffLimit": config.retries * workers + 1,
    }
    if config.step_timeout is not None:
        run_policy["activeDeadlineSeconds"] = config.step_timeout
    return {
        "runPolicy": run_policy,
        "tfReplicaSpecs": {
            "Worker": {
                "replicas": workers,
                # `ExitCode` treats exit status 1 as permanent, but workers that lose
                # another worker exit with it too.
                "restartPolicy": "OnFailure" if config.retries else "Never",
                "template": _pod_template(name, words, config),
            }
        },
    }


def _job_set(name: str, words: list[str], workers: int, config: KubeflowConfig) -> Json:
    # JobSet gives its pods an index and a DNS name that survive restarts, but does not
    # set TF_CONFIG. Kubernetes expands the index when it starts the container.
    addresses = [f"{name}-worker-0-{i}.{name}:{_PORT}" for i in range(workers)]
    tf_config = json.dumps(
        {
            "cluster": {"worker": addresses},
            "task": {"type": "worker", "index": f"$({_INDEX_VARIABLE})"},
        }
    )
    index = {"fieldPath": f"metadata.annotations['{KINDS['jobset'].index_label}']"}
    template = _pod_template(
        name,
        words,
        config,
        [
            {"name": _INDEX_VARIABLE, "valueFrom": {"fieldRef": index}},
            {"name": "TF_CONFIG", "value": tf_config},
        ],
    )
    template["spec"]["restartPolicy"] = "Never"
    job: Json = {
        "completionMode": "Indexed",
        "completions": workers,
        "parallelism": workers,
        # A failed pod fails the whole job, and JobSet then restarts all pods.
        "backoffLimit": 0,
        "template": template,
    }
    if config.step_timeout is not None:
        job["activeDeadlineSeconds"] = config.step_timeout
    return {
        "network": {"enableDNSHostnames": True, "publishNotReadyAddresses": True},
        "failurePolicy": {"maxRestarts": config.retries},
        "ttlSecondsAfterFinished": _TIME_TO_LIVE_SECONDS,
        "replicatedJobs": [
            {"name": "worker", "replicas": 1, "template": {"spec": job}}
        ],
    }


def _pod_template(
    name: str,
    words: list[str],
    config: KubeflowConfig,
    environment: list[Json] | None = None,
) -> Json:
    container: Json = {
        # The training operator builds TF_CONFIG from the container and the port with
        # these names.
        "name": "tensorflow",
        "ports": [{"name": "tfjob-port", "containerPort": _PORT}],
        "image": config.image,
        "command": words,
        "env": [*(environment or []), *_secrets(config)],
        "resources": {"limits": _limits(config)},
        "volumeMounts": [{"name": _VOLUME, "mountPath": config.mount_path}],
        # The last line that a worker prints is the reason why it failed.
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    claim = {"claimName": config.volume_claim}
    spec: Json = {
        "containers": [container],
        "volumes": [{"name": _VOLUME, "persistentVolumeClaim": claim}],
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "automountServiceAccountToken": False,
        **pod_settings.placement(config),
    }
    labels = {
        NAME_LABEL: name,
        # An Istio sidecar would outlive the worker, and the job would never finish.
        "sidecar.istio.io/inject": "false",
    }
    return {"metadata": {"labels": labels}, "spec": spec}


def _limits(config: KubeflowConfig) -> dict[str, str]:
    limits = {}
    if config.cpu_limit is not None:
        limits["cpu"] = f"{config.cpu_limit:g}"
    if config.memory_limit is not None:
        limits["memory"] = f"{config.memory_limit:g}G"
    if config.accelerator_count:
        limits[config.accelerator] = str(config.accelerator_count)
    return limits


def _secrets(config: KubeflowConfig) -> list[Json]:
    entries = []
    for entry in config.secrets:
        name, key, variable = pod_settings.split_secret(entry)
        source = {"secretKeyRef": {"name": name, "key": key}}
        entries.append({"name": variable, "valueFrom": source})
    return entries
