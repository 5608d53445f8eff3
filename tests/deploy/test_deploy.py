"""The image's recipe and the manifests, as far as they can be checked without Docker
and Kubernetes."""

from __future__ import annotations

import pathlib
import re
import shutil
import subprocess
import sys
from typing import Any

import kubernetes_validate
import pytest
import yaml

from pipeline import kubeflow_jobs
from pipeline.configs import KubeflowConfig

REPOSITORY = pathlib.Path(__file__).parents[2]
DEPLOY = REPOSITORY / "deploy"
KUSTOMIZATIONS = sorted(DEPLOY.rglob("kustomization.yaml"))
MANIFESTS = sorted(
    path
    for path in (DEPLOY / "kubernetes").rglob("*.yaml")
    if path not in KUSTOMIZATIONS
)


def _documents(path: pathlib.Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text()))


def _one(kind: str) -> dict[str, Any]:
    (found,) = (d for p in MANIFESTS for d in _documents(p) if d["kind"] == kind)
    return found


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_manifests_fit_kubernetes_schemas(path: pathlib.Path) -> None:
    for document in _documents(path):
        kubernetes_validate.validate(
            document, kubernetes_validate.latest_version(), strict=True
        )


@pytest.mark.parametrize("path", KUSTOMIZATIONS, ids=lambda path: path.parent.name)
def test_a_kustomization_names_all_files_beside_it(path: pathlib.Path) -> None:
    (kustomization,) = _documents(path)
    beside = {p.name for p in path.parent.glob("*.yaml")} - {path.name}
    assert set(kustomization["resources"]) == beside


def test_manifests_and_defaults_name_the_same_things() -> None:
    config = KubeflowConfig()
    assert _one("PersistentVolumeClaim")["metadata"]["name"] == config.volume_claim
    pod = _one("Deployment")["spec"]["template"]["spec"]
    (volume,) = pod["volumes"]
    assert volume["persistentVolumeClaim"]["claimName"] == config.volume_claim
    (server,) = pod["containers"]
    assert server["volumeMounts"][0]["mountPath"] == config.mount_path
    assert f"--model_base_path={config.mount_path}/serving" in server["args"]
    assert f"IMAGE ?= {config.image}\n" in (REPOSITORY / "Makefile").read_text()


def test_the_service_account_may_do_little() -> None:
    for rule in _one("Role")["rules"]:
        assert "*" not in rule["verbs"]
        assert "*" not in rule["resources"]
        if "secrets" in rule["resources"]:
            assert rule["resourceNames"], "not every Secret of the namespace"


def test_the_service_account_may_run_the_trainers_jobs() -> None:
    granted = {
        (group, resource): set(rule["verbs"])
        for rule in _one("Role")["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    for kind in kubeflow_jobs.KINDS.values():
        assert granted[kind.group, kind.plural] == {"create", "get", "delete"}
    assert granted["", "pods"] == {"get", "list"}
    assert granted["", "pods/log"] == {"get"}


def test_the_dockerfile_has_no_known_fault() -> None:
    hadolint = pathlib.Path(sys.executable).with_name("hadolint")
    subprocess.run([hadolint, DEPLOY / "Dockerfile"], check=True)


def test_what_the_image_is_built_from_is_sent_to_the_builder() -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    copied = {
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", dockerfile, re.MULTILINE)
        for source in line.split()[:-1]
    }
    ignored = (REPOSITORY / ".dockerignore").read_text().splitlines()
    assert {f"!{source}" for source in copied} == {
        line for line in ignored if line.startswith("!")
    }
    assert all((REPOSITORY / source).exists() for source in copied)


def test_make_starts_the_commands_that_the_guide_names() -> None:
    if not shutil.which("make"):
        pytest.skip("make is not installed here")
    for target, command in (
        ("image", "docker build --file deploy/Dockerfile --tag msg-gan:0.1.0"),
        ("compile", "kubeflow_runner.py compile --output pipeline.yaml"),
        ("submit", "kubeflow_runner.py submit --host http://localhost:8888"),
    ):
        shown = subprocess.run(
            ["make", "--dry-run", target],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert command in shown
