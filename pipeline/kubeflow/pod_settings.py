"""Kubernetes settings of the steps' pods: resources, volumes, placement, secrets."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

from pipeline.kubeflow import resources, step_entries
from pipeline.kubeflow.configs import KubeflowConfig

TRAINER = "Trainer"
# These run one after the other, so a ReadWriteOnce volume is sufficient.
_STEPS_WITH_VOLUME = frozenset({TRAINER, "GanEvaluator", "Pusher"})
_INGESTION = "TfdsExampleGen"
SHARED_MEMORY = "/dev/shm"

Json = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Placement:
    """Where and how Kubernetes runs a pod."""

    node_selector: dict[str, str]
    tolerations: list[dict[str, str]]
    pull_secrets: list[str]
    pull_policy: str | None
    labels: dict[str, str]
    annotations: dict[str, str]


def placement(config: KubeflowConfig, step: str | None) -> Placement:
    """The placement of a step's pod.

    Args:
      config: The user's settings.
      step: The step; None for what applies to all steps only.

    Returns:
      The user's entries for all steps, overridden by those for this one.
    """

    def pairs(entries: tuple[str, ...]) -> dict[str, str]:
        given = step_entries.of_step(entries, step)
        return dict(entry.split("=", 1) for entry in given)

    policies = step_entries.of_step(config.image_pull_policy, step)
    return Placement(
        node_selector=pairs(config.node_selector),
        tolerations=[
            _toleration(entry)
            for entry in step_entries.of_step(config.tolerations, step)
        ],
        pull_secrets=step_entries.of_step(config.image_pull_secrets, step),
        pull_policy=policies[-1] if policies else None,
        labels=pairs(config.pod_labels),
        annotations=pairs(config.pod_annotations),
    )


def amounts(
    config: KubeflowConfig, step: str, trains_in_job: bool = False
) -> dict[str, resources.Amount]:
    """CPU and memory of a step's pod.

    Args:
      config: The user's settings.
      step: The step.
      trains_in_job: Whether this is the Trainer's own pod while a job trains. What was
        given for the Trainer is then for the job's pods.

    Returns:
      The amounts of `cpu` and `memory`: the step's defaults, overridden by what was
      given for all steps and then for this one.
    """
    if trains_in_job:
        default, owner = resources.WHILE_A_JOB_TRAINS, None
    else:
        default, owner = resources.DEFAULTS[step], step
    given = step_entries.of_step(config.step_resources, owner)
    return resources.resolve([default, *given])


def resource_spec(
    config: KubeflowConfig, step: str, trains_in_job: bool = False
) -> Json:
    """The resources of a step as Kubeflow's `ResourceSpec`.

    The numbers are deprecated in favour of strings since 2.5, but every driver from 2.0
    to 2.17 reads them, and older SDKs reject the strings.

    Args:
      config: The user's settings.
      step: The step.
      trains_in_job: Whether the Trainer's job trains, and not its own pod.
    """
    in_job = trains_in_job and step == TRAINER
    spec: Json = {}
    for name, amount in amounts(config, step, in_job).items():
        unit = 1e9 if name == "memory" else 1
        spec[f"{name}Request"] = resources.number(amount.request) / unit
        spec[f"{name}Limit"] = resources.number(amount.limit) / unit
    if not in_job:
        spec.update(accelerator(config, step))
    return spec


def vertex_resource_spec(config: KubeflowConfig, step: str) -> Json:
    """The same for Vertex AI, which selects a machine by the limits.

    Args:
      config: The user's settings.
      step: The step.

    Returns:
      Only what the user gave: Vertex AI has its own default machine.
    """
    given = step_entries.of_step(config.step_resources, step)
    spec: Json = {}
    for name, amount in resources.resolve(given).items():
        unit = 1e9 if name == "memory" else 1
        spec[f"{name}Limit"] = resources.number(amount.limit) / unit
    return {**spec, **accelerator(config, step)}


def accelerator(config: KubeflowConfig, step: str) -> Json:
    """The accelerators of a step's `ResourceSpec`; only the Trainer has some."""
    if step != TRAINER or not config.accelerator_count:
        return {}
    count = str(config.accelerator_count)
    return {"accelerator": {"type": config.accelerator, "count": count}}


def needs_shared_memory(config: KubeflowConfig) -> bool:
    """Whether a training pod needs a larger /dev/shm than a container's 64 MB.

    NCCL exchanges data between the GPUs of a pod there.
    """
    return config.accelerator_count > 1


def platform_spec(
    executors: dict[str, str],
    config: KubeflowConfig,
    data_paths: Sequence[str] = (),
    trains_in_job: bool = False,
) -> Json:
    """Builds the second document of a compiled pipeline.

    Args:
      executors: Executor label of each step.
      config: The user's settings.
      data_paths: What ingestion reads; if some of it is on the volume, the volume is
        mounted for ingestion too.
      trains_in_job: Whether training runs in a job and not in the Trainer's own pod.

    Returns:
      A `PlatformSpec` as JSON.
    """
    with_volume = set(_STEPS_WITH_VOLUME)
    if any(pathlib.PurePath(p).is_relative_to(config.mount_path) for p in data_paths):
        with_volume.add(_INGESTION)
    specs = {
        label: _executor(config, step, step in with_volume, trains_in_job)
        for step, label in executors.items()
    }
    deployment = {"executors": {label: spec for label, spec in specs.items() if spec}}
    return {"platforms": {"kubernetes": {"deploymentSpec": deployment}}}


def _executor(
    config: KubeflowConfig, step: str, volume: bool, trains_in_job: bool
) -> Json:
    """A `KubernetesExecutorConfig`."""
    in_job = trains_in_job and step == TRAINER
    spec = _placed(placement(config, None if in_job else step))
    if volume:
        spec["pvcMount"] = [
            {"constant": config.volume_claim, "mountPath": config.mount_path}
        ]
    if step == TRAINER and not in_job and needs_shared_memory(config):
        # Without a size limit, it is bounded by the container's memory limit.
        spec["emptyDirMounts"] = [
            {"volumeName": "shm", "mountPath": SHARED_MEMORY, "medium": "Memory"}
        ]
    if config.run_as_non_root:
        spec["securityContext"] = {"runAsNonRoot": True}
    if config.secrets:
        spec["secretAsEnv"] = [_secret(entry) for entry in config.secrets]
    if config.step_timeout is not None:
        spec["activeDeadlineSeconds"] = config.step_timeout
    return spec


def _placed(placed: Placement) -> Json:
    metadata = {"labels": placed.labels, "annotations": placed.annotations}
    spec: Json = {
        "nodeSelector": placed.node_selector and {"labels": placed.node_selector},
        "tolerations": placed.tolerations,
        "imagePullSecret": [{"secretName": name} for name in placed.pull_secrets],
        "imagePullPolicy": placed.pull_policy,
        "podMetadata": {name: pairs for name, pairs in metadata.items() if pairs},
    }
    return {name: value for name, value in spec.items() if value}


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


def _secret(entry: str) -> Json:
    name, key, variable = split_secret(entry)
    return {
        "secretName": name,
        "keyToEnv": [{"secretKey": key, "envVar": variable}],
    }
