"""Settings of the pipeline's steps on Kubeflow or Vertex AI."""

from __future__ import annotations

import dataclasses
import re
from typing import Literal

import tyro

from msg_modules.common import field_types
from msg_modules.configs import require
from pipeline.kubeflow import resources, step_entries

# Training strategies for a single pod or machine.
ONE_POD = ("auto", "one_device", "mirrored")

_SECRET = re.compile(r"[a-z0-9.-]+/[\w.-]+=[A-Za-z_]\w*")
_IMAGE_PART = r"[a-z0-9]+([._-]+[a-z0-9]+)*"
_IMAGE = re.compile(
    rf"([\w.-]+(:\d+)?/)?{_IMAGE_PART}(/{_IMAGE_PART})*"
    r"(:\w[\w.-]{0,127})?(@sha256:[0-9a-f]{64})?"
)
_RESOURCE_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_LABEL = re.compile(r"[\w./-]+=[\w.-]*")
# The flags that apply to all steps or to one.
_PER_STEP = (
    ("node_selector", _LABEL, "key=value"),
    (
        "tolerations",
        re.compile(
            r"[\w./-]+(=[\w.-]*)?:(NoSchedule|PreferNoSchedule|NoExecute)",
        ),
        "key:NoSchedule",
    ),
    (
        "image_pull_secrets",
        re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?"),
        "name-of-a-secret",
    ),
    (
        "image_pull_policy",
        re.compile("Always|IfNotPresent|Never"),
        "Always|IfNotPresent|Never",
    ),
    ("pod_labels", _LABEL, "key=value"),
    ("pod_annotations", re.compile(r"[\w./-]+=.*"), "key=value"),
)


@dataclasses.dataclass(frozen=True)
class KubeflowConfig:
    """Settings of the pipeline's steps on Kubeflow or Vertex AI."""

    image: str = "msg-gan:0.1.0"
    """Container image for all steps, with the project's code; see `make image`."""

    volume_claim: str = "msg-gan"
    """PersistentVolumeClaim for data that outlives a run: checkpoints and pushed
    generators."""

    mount_path: str = "/mnt/msg-gan"
    """Where that volume is mounted in the steps' containers."""

    step_resources: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """CPU and memory of all steps, as `cpu:2,memory:4Gi`, or of one, as
    `Transform=cpu:1-4,memory:2Gi-4Gi`. An amount is request and limit, or
    REQUEST-LIMIT. With `--train.workers`, those of the Trainer are for each worker.
    Default: by step, see `--dry-run`. May be given several times, like all flags
    below that take a STEP."""

    accelerator: str = "nvidia.com/gpu"
    """Kubernetes resource name of the accelerator, or Vertex AI's type, such as
    NVIDIA_TESLA_T4."""

    accelerator_count: int = 0
    """Accelerators for the Trainer, or for each of its workers."""

    node_selector: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Node label that all steps require, `key=value`, or one step does,
    `Trainer=key=value`."""

    tolerations: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Node taint that all steps tolerate, `key=value:NoSchedule` or `key:NoSchedule`,
    or one step does, `Trainer=key:NoSchedule`."""

    image_pull_secrets: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Secret to pull the image with, `NAME` or `STEP=NAME`."""

    image_pull_policy: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """When the image is pulled: `Always`, `IfNotPresent` or `Never`, or for one step
    `STEP=Always`. Default: Kubernetes' own."""

    pod_labels: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Label of the pods, `key=value` or `STEP=key=value`, such as
    `kueue.x-k8s.io/queue-name=gpus`. With `--train.workers`, also of the job."""

    pod_annotations: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Annotation of the pods, `key=value` or `STEP=key=value`."""

    run_as_non_root: bool = False
    """Mark the steps' containers as non-root, as namespaces with the Pod Security level
    `restricted` require. Needs Kubeflow Pipelines 2.16 or newer."""

    secrets: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Environment variable set from a Secret in all steps, `secret/key=VARIABLE`; may
    be given several times."""

    # A new Kubeflow has Trainer v2, which brings JobSet. A TrainJob also needs a
    # runtime that only an administrator of the cluster can install.
    job_kind: Literal["jobset", "trainjob", "tfjob"] = "jobset"
    """Kind of job that the Trainer starts with `--train.workers`: `jobset`; `trainjob`
    (Kubeflow Trainer v2, with the runtime of deploy/kubernetes/trainer); or `tfjob`
    (Kubeflow training operator v1)."""

    retries: int = 2
    """How many times a failed step is retried."""

    step_timeout: int | None = None
    """Time limit of a step in seconds. Default: no limit."""

    def __post_init__(self) -> None:
        field_types.check(self, "kubeflow")
        require(
            bool(_IMAGE.fullmatch(self.image)),
            "kubeflow.image",
            self.image,
            "an image name, such as registry.example.com/msg-gan:0.1.0",
        )
        require(
            bool(_RESOURCE_NAME.fullmatch(self.volume_claim)),
            "kubeflow.volume_claim",
            self.volume_claim,
            "lower-case letters, digits and `-`",
        )
        require(
            self.mount_path.startswith("/") and self.mount_path.strip("/") != "",
            "kubeflow.mount_path",
            self.mount_path,
            "an absolute path, such as /mnt/msg-gan",
        )
        require(
            self.step_timeout is None or self.step_timeout > 0,
            "kubeflow.step_timeout",
            self.step_timeout,
            "> 0",
        )
        for name in ("accelerator_count", "retries"):
            value = getattr(self, name)
            require(value >= 0, f"kubeflow.{name}", value, ">= 0")
        for entry in self.secrets:
            fits = bool(_SECRET.fullmatch(entry))
            require(fits, "kubeflow.secrets", entry, "secret/key=VARIABLE")
        for entry in self.step_resources:
            resources.check("kubeflow.step_resources", entry)
        for name, pattern, wanted in _PER_STEP:
            for entry in getattr(self, name):
                step_entries.check_step(f"kubeflow.{name}", entry)
                fits = bool(pattern.fullmatch(step_entries.split(entry)[1]))
                require(fits, f"kubeflow.{name}", entry, f"{wanted}, or STEP={wanted}")
        policy = step_entries.of_step(self.image_pull_policy, "Trainer")
        require(
            self.job_kind != "trainjob" or not policy,
            "kubeflow.image_pull_policy",
            policy,
            "left out for the Trainer with --kubeflow.job-kind trainjob: a TrainJob has"
            " no such setting, its ClusterTrainingRuntime has",
        )
