"""What is different on Vertex AI: no volume, buckets under /gcs, other names."""

from __future__ import annotations

import dataclasses
import re

from msg_modules.configs import require
from pipeline.configs import KubeflowConfig, PipelineConfig

# Where Vertex AI mounts the buckets that a step's service account may use.
BUCKETS = "/gcs"
_SCHEME = "gs://"
_URI = re.compile(r"gs://[a-z0-9][\w.-]+(/.*)?")
_ACCELERATOR = re.compile(r"[A-Z][A-Z0-9_]*")
_KUBERNETES_ONLY = (
    "job_kind",
    "volume_claim",
    "mount_path",
    "node_selector",
    "tolerations",
    "secrets",
    "step_timeout",
)


def check(config: PipelineConfig, kubeflow: KubeflowConfig) -> None:
    """Refuses what Vertex AI has not got.

    Args:
      config: As the user gave it.
      kubeflow: The same.

    Raises:
      ConfigError: If it asks for that.
    """
    for field, uri in (
        ("pipeline_root", config.pipeline_root),
        ("serving_dir", config.serving_dir),
        ("train.checkpoint_dir", config.train.checkpoint_dir),
        ("data.data_dir", config.data.data_dir),
    ):
        require(
            uri is None or bool(_URI.fullmatch(uri)),
            field,
            uri,
            "in a bucket on Vertex AI, gs://BUCKET/DIRECTORY",
        )
    for name in _KUBERNETES_ONLY:
        value = getattr(kubeflow, name)
        require(
            value == getattr(KubeflowConfig(), name),
            f"kubeflow.{name}",
            value,
            "left out with --target vertex, which has no such thing",
        )
    require(
        not config.train.starts_job,
        "train.workers",
        config.train.workers,
        "1 with --target vertex, which starts no job of several pods",
    )
    require(
        "/" in kubeflow.image,
        "kubeflow.image",
        kubeflow.image,
        "in a registry, such as REGION-docker.pkg.dev/PROJECT/REPOSITORY/msg-gan:0.1.0",
    )
    require(
        not kubeflow.accelerator_count
        or bool(_ACCELERATOR.fullmatch(kubeflow.accelerator)),
        "kubeflow.accelerator",
        kubeflow.accelerator,
        "Vertex AI's name of one, such as NVIDIA_TESLA_T4",
    )


def mount(config: PipelineConfig) -> PipelineConfig:
    """The config with the directories of mounted buckets in place of their URIs.

    The dataset's stays: TFDS opens it.

    Args:
      config: One that `check` has seen.
    """
    return dataclasses.replace(
        config,
        pipeline_root=_mounted(config.pipeline_root),
        serving_dir=config.serving_dir and _mounted(config.serving_dir),
        train=dataclasses.replace(
            config.train,
            checkpoint_dir=config.train.checkpoint_dir
            and _mounted(config.train.checkpoint_dir),
        ),
    )


def _mounted(uri: str) -> str:
    return f"{BUCKETS}/{uri.removeprefix(_SCHEME)}".rstrip("/")
