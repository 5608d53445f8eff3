"""Kubernetes settings of the steps' pods: volume, nodes, secrets, time limit."""

from __future__ import annotations

import pathlib
from typing import Any

from pipeline.kubeflow.configs import KubeflowConfig

_TRAINER = "Trainer"
# These run one after the other, so a ReadWriteOnce volume is sufficient.
_STEPS_WITH_VOLUME = frozenset({_TRAINER, "GanEvaluator", "Pusher"})
_INGESTION = "TfdsExampleGen"


def platform_spec(
    executors: dict[str, str],
    config: KubeflowConfig,
    data_dir: str | None,
    trains_in_job: bool = False,
) -> dict[str, Any]:
    """Builds the second document of a compiled pipeline.

    Args:
      executors: Executor label of each step.
      config: The user's settings.
      data_dir: Directory of prepared datasets; if it is on the volume, the volume is
        mounted for ingestion too.
      trains_in_job: Whether training runs in a job and not in the Trainer's own pod.

    Returns:
      A `PlatformSpec` as JSON.
    """
    with_volume = set(_STEPS_WITH_VOLUME)
    if data_dir and pathlib.PurePath(data_dir).is_relative_to(config.mount_path):
        with_volume.add(_INGESTION)
    specs = {
        label: _executor(
            config, step in with_volume, step == _TRAINER and not trains_in_job
        )
        for step, label in executors.items()
    }
    deployment = {"executors": {label: spec for label, spec in specs.items() if spec}}
    return {"platforms": {"kubernetes": {"deploymentSpec": deployment}}}


def _executor(config: KubeflowConfig, volume: bool, trains: bool) -> dict[str, Any]:
    spec: dict[str, Any] = {}
    if volume:
        spec["pvcMount"] = [
            {"constant": config.volume_claim, "mountPath": config.mount_path}
        ]
    if trains:
        spec.update(placement(config))
        if "nodeSelector" in spec:
            spec["nodeSelector"] = {"labels": spec["nodeSelector"]}
    if config.secrets:
        spec["secretAsEnv"] = [_secret(entry) for entry in config.secrets]
    if config.step_timeout is not None:
        spec["activeDeadlineSeconds"] = config.step_timeout
    return spec


def placement(config: KubeflowConfig) -> dict[str, Any]:
    """Node placement of a training pod, as fields of a Kubernetes `PodSpec`.

    Args:
      config: The user's settings.

    Returns:
      `nodeSelector` and `tolerations`, where set.
    """
    spec: dict[str, Any] = {}
    if config.node_selector:
        spec["nodeSelector"] = dict(e.split("=", 1) for e in config.node_selector)
    if config.tolerations:
        spec["tolerations"] = [_toleration(entry) for entry in config.tolerations]
    return spec


def split_secret(entry: str) -> tuple[str, str, str]:
    """Splits `secret/key=VARIABLE` into its three parts."""
    source, variable = entry.split("=", 1)
    name, key = source.split("/", 1)
    return name, key, variable


def _toleration(entry: str) -> dict[str, str]:
    taint, effect = entry.rsplit(":", 1)
    key, separator, value = taint.partition("=")
    if not separator:
        return {"key": key, "operator": "Exists", "effect": effect}
    return {"key": key, "operator": "Equal", "value": value, "effect": effect}


def _secret(entry: str) -> dict[str, Any]:
    name, key, variable = split_secret(entry)
    return {
        "secretName": name,
        "keyToEnv": [{"secretKey": key, "envVar": variable}],
    }
