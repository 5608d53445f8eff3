"""Differences of Vertex AI: no volume, buckets mounted under /gcs, other names."""

from __future__ import annotations

import dataclasses
import re

from msg_modules.configs import require
from pipeline.configs import PipelineConfig
from pipeline.kubeflow.configs import ONE_POD, KubeflowConfig

# Where Vertex AI mounts the buckets that a step's service account can access.
BUCKETS = "/gcs"
_SCHEME = "gs://"
_URI = re.compile(r"gs://[a-z0-9][\w.-]+(/.*)?")
_ACCELERATOR = re.compile(r"[A-Z][A-Z0-9_]*")
_SUPPORTED = frozenset(
    {"image", "step_resources", "accelerator", "accelerator_count", "retries"}
)


def check(config: PipelineConfig, kubeflow: KubeflowConfig) -> None:
    """Rejects settings that Vertex AI does not support.

    Args:
      config: As the user gave it.
      kubeflow: As the user gave it.

    Raises:
      ConfigError: If a setting is not supported.
    """
    for name, uri in (
        ("pipeline_root", config.pipeline_root),
        ("serving_dir", config.serving_dir),
        ("train.checkpoint_dir", config.train.checkpoint_dir),
        ("train.start_from", config.train.start_directory),
        ("data.data_dir", config.data.data_dir),
        ("data.folder", config.data.folder),
    ):
        require(
            uri is None or bool(_URI.fullmatch(uri)),
            name,
            uri,
            "gs://BUCKET/DIRECTORY with --target vertex",
        )
    for field in dataclasses.fields(kubeflow):
        value = getattr(kubeflow, field.name)
        require(
            field.name in _SUPPORTED or value == field.default,
            f"kubeflow.{field.name}",
            value,
            "left out with --target vertex: Vertex AI does not support it",
        )
    require(
        not config.train.starts_job,
        "train.workers",
        config.train.workers,
        "1 with --target vertex: Vertex AI steps cannot start jobs",
    )
    require(
        config.train.strategy in ONE_POD,
        "train.strategy",
        config.train.strategy,
        f"one of {', '.join(ONE_POD)} with --target vertex: a step is a single machine",
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
        "a Vertex AI accelerator type, such as NVIDIA_TESLA_T4",
    )


def mount(config: PipelineConfig) -> PipelineConfig:
    """Replaces the URIs of buckets with the directories where they are mounted.

    `data.data_dir` stays a URI, since TFDS opens URIs itself.

    Args:
      config: A config that passed `check`.
    """
    start = config.train.start_directory
    return dataclasses.replace(
        config,
        pipeline_root=_mounted(config.pipeline_root),
        serving_dir=config.serving_dir and _mounted(config.serving_dir),
        data=dataclasses.replace(
            config.data, folder=config.data.folder and _mounted(config.data.folder)
        ),
        train=dataclasses.replace(
            config.train,
            checkpoint_dir=config.train.checkpoint_dir
            and _mounted(config.train.checkpoint_dir),
            start_from=_mounted(start) if start else config.train.start_from,
        ),
    )


def _mounted(uri: str) -> str:
    return f"{BUCKETS}/{uri.removeprefix(_SCHEME)}".rstrip("/")
