"""What Kubernetes gives the pods of the steps: volume, nodes, secrets, time."""

from __future__ import annotations

import pathlib
from typing import Any

from pipeline.configs import KubeflowConfig

_TRAINER = "Trainer"
# One after the other, so that a volume which one node mounts at a time will do.
_STEPS_WITH_VOLUME = frozenset({_TRAINER, "GanEvaluator", "Pusher"})
_INGESTION = "TfdsExampleGen"


def platform_spec(
    executors: dict[str, str], config: KubeflowConfig, data_dir: str | None
) -> dict[str, Any]:
    """The second document of a compiled pipeline.

    Args:
      executors: The label of each step's executor.
      config: What the user asked for.
      data_dir: Directory of prepared datasets; ingestion gets the volume if it lies
        there.

    Returns:
      A `PlatformSpec` as JSON has it.
    """
    with_volume = set(_STEPS_WITH_VOLUME)
    if data_dir and pathlib.PurePath(data_dir).is_relative_to(config.mount_path):
        with_volume.add(_INGESTION)
    specs = {
        label: _executor(config, step in with_volume, step == _TRAINER)
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
    if trains and config.node_selector:
        labels = dict(entry.split("=", 1) for entry in config.node_selector)
        spec["nodeSelector"] = {"labels": labels}
    if trains and config.tolerations:
        spec["tolerations"] = [_toleration(entry) for entry in config.tolerations]
    if config.secrets:
        spec["secretAsEnv"] = [_secret(entry) for entry in config.secrets]
    if config.step_timeout is not None:
        spec["activeDeadlineSeconds"] = config.step_timeout
    return spec


def _toleration(entry: str) -> dict[str, str]:
    taint, effect = entry.rsplit(":", 1)
    key, separator, value = taint.partition("=")
    if not separator:
        return {"key": key, "operator": "Exists", "effect": effect}
    return {"key": key, "operator": "Equal", "value": value, "effect": effect}


def _secret(entry: str) -> dict[str, Any]:
    source, variable = entry.split("=", 1)
    name, key = source.split("/", 1)
    return {
        "secretName": name,
        "keyToEnv": [{"secretKey": key, "envVar": variable}],
    }
