"""Kubernetes objects of the job that trains on several pods."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Literal

from msg_modules.configs import ModelConfig, TrainConfig, to_flags
from pipeline.kubeflow import job_pods, pod_settings
from pipeline.kubeflow.configs import KubeflowConfig

# Identifies the step attempt that created the job: only that one may delete it.
ATTEMPT_ANNOTATION = "msg-gan/attempt"

# The pods' index, as a label and as an annotation, in an indexed Kubernetes job.
_POD_INDEX = "batch.kubernetes.io/job-completion-index"
# The ClusterTrainingRuntime of deploy/kubernetes/trainer, and the name that Kubeflow
# Trainer requires for the job and the container that train.
RUNTIME = "msg-gan"
_NODE = "node"
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
        _POD_INDEX,
    ),
    "trainjob": Kind(
        "TrainJob", "trainer.kubeflow.org", "v1alpha1", "trainjobs", _POD_INDEX
    ),
}


def command(
    staging: str,
    checkpoint_root: str,
    serving_dir: str,
    code: str,
    model: ModelConfig,
    train: TrainConfig,
    class_names: Sequence[str],
) -> list[str]:
    """Builds the command line of each pod.

    Args:
      staging: Directory on the volume with the transformed examples in `examples/`;
        the chief writes to `output/`.
      checkpoint_root: Directory on the volume for checkpoints.
      serving_dir: Directory on the volume that generators are pushed to.
      code: Identifies the version of the code.
      model: Network settings.
      train: Training settings.
      class_names: Names of the classes; empty without labels.

    Returns:
      The command and its arguments.
    """
    return [
        *("msg-gan", "train"),
        *("--examples", f"{staging}/examples", "--output", f"{staging}/output"),
        *("--checkpoints", checkpoint_root, "--code", code),
        *("--serving-dir", serving_dir),
        *(["--class-names", *class_names] if class_names else []),
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
      The job as JSON.
    """
    kind = KINDS[config.job_kind]
    metadata: Json = {
        "name": name,
        "labels": {
            # Kueue looks for the name of its queue on the job, not on its pods.
            **pod_settings.placement(config, pod_settings.TRAINER).labels,
            job_pods.NAME_LABEL: name,
            "app.kubernetes.io/name": "msg-gan",
        },
        "annotations": {ATTEMPT_ANNOTATION: attempt},
    }
    if owner:
        pod, uid = owner
        metadata["ownerReferences"] = [
            {"apiVersion": "v1", "kind": "Pod", "name": pod, "uid": uid}
        ]
    return {
        "apiVersion": kind.api_version,
        "kind": kind.name,
        "metadata": metadata,
        "spec": _SPECS[config.job_kind](name, words, workers, config),
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
    # A TFJob reports Succeeded, a JobSet Completed, a TrainJob Complete.
    if conditions.keys() & {"Succeeded", "Completed", "Complete"}:
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
                # The operator builds TF_CONFIG from the container with this name.
                "template": job_pods.template("tensorflow", name, words, config),
            }
        },
    }


def _job_set(name: str, words: list[str], workers: int, config: KubeflowConfig) -> Json:
    environment = job_pods.tf_config(_addresses(name, "worker", workers), _POD_INDEX)
    template = job_pods.template("tensorflow", name, words, config, environment)
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


def _train_job(
    name: str, words: list[str], workers: int, config: KubeflowConfig
) -> Json:
    """Everything that depends on the settings; `RUNTIME` has the rest."""
    environment = job_pods.tf_config(_addresses(name, _NODE, workers), _POD_INDEX)
    template = job_pods.template(_NODE, name, words, config, environment)
    pod = template["spec"]
    (container,) = pod["containers"]
    # All that a patch may set. The runtime sets the rest, to the same values.
    del pod["automountServiceAccountToken"]
    patchable = ("name", "volumeMounts", "securityContext")
    pod["containers"] = [{field: container[field] for field in patchable}]
    job = {"name": _NODE, "template": {"spec": {"template": template}}}
    spec: Json = {
        "runtimeRef": {
            "apiGroup": KINDS["trainjob"].group,
            "kind": "ClusterTrainingRuntime",
            "name": RUNTIME,
        },
        "trainer": {
            "numNodes": workers,
            "image": container["image"],
            "command": container["command"],
            "env": container["env"],
            "resourcesPerNode": container["resources"],
        },
        "runtimePatches": [
            {
                "manager": "msg-gan/trainer",
                "trainingRuntimeSpec": {
                    "template": {"spec": {"replicatedJobs": [job]}}
                },
            }
        ],
    }
    if config.step_timeout is not None:
        spec["activeDeadlineSeconds"] = config.step_timeout
    return spec


def _addresses(name: str, replicated_job: str, workers: int) -> list[str]:
    """JobSet's DNS names, which survive restarts."""
    return [f"{name}-{replicated_job}-0-{i}.{name}" for i in range(workers)]


_SPECS: dict[str, Callable[[str, list[str], int, KubeflowConfig], Json]] = {
    "tfjob": _tf_job,
    "jobset": _job_set,
    "trainjob": _train_job,
}
