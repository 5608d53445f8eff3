"""The pods that Kubeflow Pipelines makes of the steps of a compiled pipeline.

After backend/src/v2/driver of kubeflow/pipelines 2.5 to 2.17, but strict: a field of a
`KubernetesExecutorConfig` that no flag sets is not known here, and an error.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

Json = dict[str, Any]


def pod_of(documents: Sequence[Json], step: str) -> Json:
    """The pod of a step.

    Args:
      documents: The `PipelineSpec` and the `PlatformSpec`.
      step: The step.

    Returns:
      A Kubernetes `PodTemplateSpec`.
    """
    spec, platform = documents
    label = spec["components"][step]["executorLabel"]
    pod = _Pod(spec["deploymentSpec"]["executors"][label]["container"])
    kubernetes = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    for field, value in kubernetes.get(label, {}).items():
        add = getattr(pod, _snake(field))
        for entry in value if isinstance(value, list) else [value]:
            if isinstance(entry, dict):
                add(**{_snake(key): part for key, part in entry.items()})
            else:
                add(entry)
    return {"metadata": pod.metadata, "spec": pod.spec}


def _snake(name: str) -> str:
    return re.sub("[A-Z]", lambda match: f"_{match[0].lower()}", name)


class _Pod:
    """A pod, and for each field of a `KubernetesExecutorConfig` a method that adds it.

    A repeated field is added entry by entry.
    """

    def __init__(self, container: Json):
        self._container = {
            "name": "main",
            "image": container["image"],
            "command": [*container["command"], *container["args"]],
            "resources": _resources(**container["resources"]),
        }
        self.metadata: Json = {}
        self.spec: Json = {"containers": [self._container]}

    def active_deadline_seconds(self, seconds: int) -> None:
        self.spec["activeDeadlineSeconds"] = seconds

    def empty_dir_mounts(
        self, *, volume_name: str, mount_path: str, medium: str
    ) -> None:
        self._mount(volume_name, mount_path, {"emptyDir": {"medium": medium}})

    def image_pull_policy(self, policy: str) -> None:
        self._container["imagePullPolicy"] = policy

    def image_pull_secret(self, *, secret_name: str) -> None:
        self.spec.setdefault("imagePullSecrets", []).append({"name": secret_name})

    def node_selector(self, *, labels: dict[str, str]) -> None:
        self.spec["nodeSelector"] = labels

    def pod_metadata(self, **metadata: dict[str, str]) -> None:
        assert metadata.keys() <= {"labels", "annotations"}
        self.metadata = metadata

    def pvc_mount(self, *, constant: str, mount_path: str) -> None:
        source = {"persistentVolumeClaim": {"claimName": constant}}
        self._mount(constant, mount_path, source)

    def secret_as_env(
        self, *, secret_name: str, key_to_env: list[dict[str, str]]
    ) -> None:
        for entry in key_to_env:
            source = {"name": secret_name, "key": entry["secretKey"]}
            variable = {
                "name": entry["envVar"],
                "valueFrom": {"secretKeyRef": source},
            }
            self._container.setdefault("env", []).append(variable)

    def security_context(self, *, run_as_non_root: bool) -> None:
        self._container["securityContext"] = {"runAsNonRoot": run_as_non_root}

    def tolerations(self, **toleration: str) -> None:
        self.spec.setdefault("tolerations", []).append(toleration)

    def _mount(self, name: str, path: str, source: Json) -> None:
        self.spec.setdefault("volumes", []).append({"name": name, **source})
        mount = {"name": name, "mountPath": path}
        self._container.setdefault("volumeMounts", []).append(mount)


def _resources(accelerator: Json | None = None, **numbers: float) -> Json:
    """Cores and gigabytes, as Kubernetes' quantities."""
    found: Json = {"requests": {}, "limits": {}}
    for name, number in numbers.items():
        what, kind = re.fullmatch("(cpu|memory)(Request|Limit)", name).groups()
        unit = {"cpu": "", "memory": "G"}[what]
        found[f"{kind.lower()}s"][what] = f"{number}{unit}"
    if accelerator:
        found["limits"][accelerator["type"]] = accelerator["count"]
    return found
