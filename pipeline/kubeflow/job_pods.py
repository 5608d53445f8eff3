"""Pods of the job that trains on several of them."""

from __future__ import annotations

import json
from typing import Any

from pipeline.kubeflow import pod_settings
from pipeline.kubeflow.configs import KubeflowConfig

# Label of each pod of a job; its value is the job's name.
NAME_LABEL = "app.kubernetes.io/instance"
# On SIGTERM a worker finishes its training step and saves a checkpoint.
GRACE_SECONDS = 60

_PORT = 2222
_INDEX_VARIABLE = "WORKER_INDEX"
# The only directory, besides the volume, that a worker can write to.
_SCRATCH = "/tmp"

Json = dict[str, Any]

# What the Pod Security level `restricted` requires, and a read-only root. The user is
# the image's, by number, or one that the cluster chooses.
_POD_SECURITY = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
_CONTAINER_SECURITY = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}


def template(
    container_name: str,
    job: str,
    words: list[str],
    config: KubeflowConfig,
    environment: list[Json] | None = None,
) -> Json:
    """Builds the template of a job's pods.

    Args:
      container_name: Name of the container that trains.
      job: The job's name.
      words: The command line.
      config: Settings of the pods.
      environment: Environment variables, before those of the settings.

    Returns:
      A Kubernetes `PodTemplateSpec` as JSON.
    """
    placed = pod_settings.placement(config, pod_settings.TRAINER)
    volumes: dict[str, tuple[str, Json]] = {
        "msg-gan": (
            config.mount_path,
            {"persistentVolumeClaim": {"claimName": config.volume_claim}},
        ),
        "scratch": (_SCRATCH, {"emptyDir": {}}),
    }
    if pod_settings.needs_shared_memory(config):
        # Without a size limit, it is bounded by the container's memory limit.
        memory = {"emptyDir": {"medium": "Memory"}}
        volumes["shm"] = (pod_settings.SHARED_MEMORY, memory)
    container: Json = {
        "name": container_name,
        # The training operator looks for the port with this name.
        "ports": [{"name": "tfjob-port", "containerPort": _PORT}],
        "image": config.image,
        "command": words,
        "env": [
            *(environment or []),
            {"name": "HOME", "value": _SCRATCH},
            *_secrets(config),
        ],
        "resources": _resources(config),
        "securityContext": _CONTAINER_SECURITY,
        "volumeMounts": [
            {"name": name, "mountPath": path} for name, (path, _) in volumes.items()
        ],
        # The last line that a worker prints is the reason why it failed.
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    if placed.pull_policy:
        container["imagePullPolicy"] = placed.pull_policy
    spec: Json = {
        "containers": [container],
        "volumes": [{"name": name, **source} for name, (_, source) in volumes.items()],
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "automountServiceAccountToken": False,
        "securityContext": _POD_SECURITY,
    }
    optional = {
        "nodeSelector": placed.node_selector,
        "tolerations": placed.tolerations,
        "imagePullSecrets": [{"name": name} for name in placed.pull_secrets],
    }
    spec.update({field: value for field, value in optional.items() if value})
    labels = {
        **placed.labels,
        NAME_LABEL: job,
        # An Istio sidecar would outlive the worker, and the job would never finish.
        "sidecar.istio.io/inject": "false",
    }
    metadata: Json = {"labels": labels}
    if placed.annotations:
        metadata["annotations"] = placed.annotations
    return {"metadata": metadata, "spec": spec}


def tf_config(hosts: list[str], index_annotation: str) -> list[Json]:
    """Environment variables that tell TensorFlow of the other workers.

    For jobs that give their pods an index and a DNS name, but do not set TF_CONFIG.

    Args:
      hosts: The workers' DNS names, by index.
      index_annotation: The pod annotation with its own index.
    """
    # Kubernetes expands the index when it starts the container.
    config = {
        "cluster": {"worker": [f"{host}:{_PORT}" for host in hosts]},
        "task": {"type": "worker", "index": f"$({_INDEX_VARIABLE})"},
    }
    index = {"fieldPath": f"metadata.annotations['{index_annotation}']"}
    return [
        {"name": _INDEX_VARIABLE, "valueFrom": {"fieldRef": index}},
        {"name": "TF_CONFIG", "value": json.dumps(config)},
    ]


def _resources(config: KubeflowConfig) -> Json:
    amounts = pod_settings.amounts(config, pod_settings.TRAINER)
    limits = {name: amount.limit for name, amount in amounts.items()}
    if config.accelerator_count:
        limits[config.accelerator] = str(config.accelerator_count)
    return {
        "requests": {name: amount.request for name, amount in amounts.items()},
        "limits": limits,
    }


def _secrets(config: KubeflowConfig) -> list[Json]:
    entries = []
    for entry in config.secrets:
        name, key, variable = pod_settings.split_secret(entry)
        source = {"secretKeyRef": {"name": name, "key": key}}
        entries.append({"name": variable, "valueFrom": source})
    return entries
