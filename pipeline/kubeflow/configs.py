"""Settings of the pipeline's steps on Kubeflow or Vertex AI."""

from __future__ import annotations

import dataclasses
import re
from typing import Literal

import tyro

from msg_modules.configs import require

# Training strategies for a single pod or machine.
ONE_POD = ("auto", "one_device", "mirrored")

_LABEL = re.compile(r"[\w./-]+=[\w.-]*")
_TOLERATION = re.compile(r"[\w./-]+(=[\w.-]*)?:(NoSchedule|PreferNoSchedule|NoExecute)")
_SECRET = re.compile(r"[a-z0-9.-]+/[\w.-]+=[A-Za-z_]\w*")
_IMAGE_PART = r"[a-z0-9]+([._-]+[a-z0-9]+)*"
_IMAGE = re.compile(
    rf"([\w.-]+(:\d+)?/)?{_IMAGE_PART}(/{_IMAGE_PART})*"
    r"(:\w[\w.-]{0,127})?(@sha256:[0-9a-f]{64})?"
)
_RESOURCE_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


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

    cpu_limit: float | None = None
    """CPU limit of the Trainer, or of each of its workers, in cores. Default: no
    limit."""

    memory_limit: float | None = None
    """Memory limit of the Trainer, or of each of its workers, in GB. Default: no
    limit."""

    accelerator: str = "nvidia.com/gpu"
    """Kubernetes resource name of the accelerator, or Vertex AI's type, such as
    NVIDIA_TESLA_T4."""

    accelerator_count: int = 0
    """Accelerators for the Trainer, or for each of its workers."""

    node_selector: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Node label `key=value` that the Trainer requires; may be given several times."""

    tolerations: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Node taint that the Trainer tolerates, `key=value:NoSchedule` or
    `key:NoSchedule`; may be given several times."""

    secrets: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Environment variable set from a Secret in all steps, `secret/key=VARIABLE`; may
    be given several times."""

    job_kind: Literal["tfjob", "jobset"] = "tfjob"
    """Kind of job that the Trainer starts with `--train.workers`: `tfjob` (Kubeflow
    training operator) or `jobset`."""

    retries: int = 2
    """How many times a failed step is retried."""

    step_timeout: int | None = None
    """Time limit of a step in seconds. Default: no limit."""

    def __post_init__(self) -> None:
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
        for name in ("cpu_limit", "memory_limit", "step_timeout"):
            value = getattr(self, name)
            require(value is None or value > 0, f"kubeflow.{name}", value, "> 0")
        for name in ("accelerator_count", "retries"):
            value = getattr(self, name)
            require(value >= 0, f"kubeflow.{name}", value, ">= 0")
        for name, pattern, wanted in (
            ("node_selector", _LABEL, "key=value"),
            ("tolerations", _TOLERATION, "key=value:NoSchedule or key:NoSchedule"),
            ("secrets", _SECRET, "secret/key=VARIABLE"),
        ):
            for entry in getattr(self, name):
                fits = bool(pattern.fullmatch(entry))
                require(fits, f"kubeflow.{name}", entry, wanted)
