"""Kubernetes' Pod Security level `restricted`.

After https://kubernetes.io/docs/concepts/security/pod-security-standards/, with the
baseline that it includes.
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
_SECCOMP = ("RuntimeDefault", "Localhost")


def violations(pod: Json) -> list[str]:
    """What admission would refuse a pod for.

    Args:
      pod: A Kubernetes `PodSpec`.
    """
    own = pod.get("securityContext", {})
    found = [field for field in ("hostNetwork", "hostPID", "hostIPC") if pod.get(field)]
    if own.get("sysctls"):
        found.append("sysctls")
    for volume in pod.get("volumes", []):
        if not volume.keys() - {"name"} <= _VOLUMES:
            found.append(f"volume {volume['name']}")
    containers = [*pod.get("initContainers", []), *pod["containers"]]
    for container in containers:
        context = {
            field: value
            for field, value in own.items()
            if field in ("runAsNonRoot", "runAsUser", "seccompProfile")
        }
        context.update(container.get("securityContext", {}))
        capabilities = context.get("capabilities", {})
        checks = {
            "privileged": not context.get("privileged"),
            "allowPrivilegeEscalation": context.get("allowPrivilegeEscalation")
            is False,
            "capabilities.drop": "ALL" in capabilities.get("drop", []),
            "capabilities.add": set(capabilities.get("add", []))
            <= {"NET_BIND_SERVICE"},
            "runAsNonRoot": context.get("runAsNonRoot") is True,
            "runAsUser": context.get("runAsUser") != 0,
            "seccompProfile": context.get("seccompProfile", {}).get("type") in _SECCOMP,
            "procMount": context.get("procMount", "Default") == "Default",
            "hostPort": not any(p.get("hostPort") for p in container.get("ports", [])),
        }
        found += [f"{container['name']}: {n}" for n, fine in checks.items() if not fine]
    return found


def writes_to_its_root(pod: Json) -> list[str]:
    """The containers whose root file system is not read-only."""
    return [
        container["name"]
        for container in pod["containers"]
        if not container.get("securityContext", {}).get("readOnlyRootFilesystem")
    ]
