"""Each `--kubeflow` flag: what it changes in the steps' pods, and in those of a job."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import kubernetes_validate
import pytest
import yaml
from kubernetes.utils import parse_quantity
from kubernetes_server import made_of, template_of
from step_pods import pod_of

from pipeline import flags
from pipeline.kubeflow import command, job_objects, step_entries
from pipeline.kubeflow.configs import KubeflowConfig

Json = dict[str, Any]

WORKERS = 3


class Case(NamedTuple):
    """What a flag changes.

    Attributes:
      flag: The flag and its value.
      look: Returns what is changed, of a pod's template and of what it belongs to: a
        step's task or a job.
      wanted: What it becomes.
    """

    flag: str
    look: Callable[[Json, Json], Any]
    wanted: Any


def _container(pod: Json) -> Json:
    (container,) = pod["spec"]["containers"]
    return container


def _amounts(pod: Json, name: str) -> list[float]:
    """The request and the limit of a resource."""
    resources = _container(pod)["resources"]
    return [float(parse_quantity(resources[k][name])) for k in ("requests", "limits")]


def _gpus(pod: Json) -> dict[str, str]:
    limits = _container(pod)["resources"]["limits"]
    return {name: count for name, count in limits.items() if name.endswith("/gpu")}


def _mounted(pod: Json, kind: str) -> dict[str, Json]:
    """The volumes of a kind, by path."""
    paths = {m["name"]: m["mountPath"] for m in _container(pod)["volumeMounts"]}
    return {
        paths[volume["name"]]: volume[kind]
        for volume in pod["spec"]["volumes"]
        if kind in volume
    }


def _secret(pod: Json, variable: str) -> Json | None:
    entries = {e["name"]: e for e in _container(pod).get("env", [])}
    return variable in entries and entries[variable]["valueFrom"]["secretKeyRef"]


def _restarts(job: Json) -> int:
    if job["kind"] == "JobSet":
        return job["spec"]["failurePolicy"]["maxRestarts"]
    # The sum over all workers at which the training operator gives up.
    return (job["spec"]["runPolicy"]["backoffLimit"] - 1) // WORKERS


IN_ALL_PODS = {
    "image": Case(
        "--kubeflow.image registry.example.com/it:2",
        lambda pod, _: _container(pod)["image"],
        "registry.example.com/it:2",
    ),
    "volume_claim": Case(
        "--kubeflow.volume-claim mine",
        lambda pod, _: list(_mounted(pod, "persistentVolumeClaim").values()),
        [{"claimName": "mine"}],
    ),
    "mount_path": Case(
        "--kubeflow.mount-path /data",
        lambda pod, _: list(_mounted(pod, "persistentVolumeClaim")),
        ["/data"],
    ),
    "step_resources": Case(
        "--kubeflow.step-resources cpu:500m-2,memory:5Gi",
        lambda pod, _: [_amounts(pod, "cpu"), _amounts(pod, "memory")],
        [[0.5, 2.0], [5 * 2**30] * 2],
    ),
    "accelerator": Case(
        "--kubeflow.accelerator amd.com/gpu",
        lambda pod, _: list(_gpus(pod)),
        ["amd.com/gpu"],
    ),
    "accelerator_count": Case(
        "--kubeflow.accelerator-count 2",
        lambda pod, _: (
            list(_gpus(pod).values()),
            _mounted(pod, "emptyDir").get("/dev/shm"),
        ),
        (["2"], {"medium": "Memory"}),
    ),
    "node_selector": Case(
        "--kubeflow.node-selector zone=a",
        lambda pod, _: pod["spec"].get("nodeSelector"),
        {"zone": "a"},
    ),
    "tolerations": Case(
        "--kubeflow.tolerations team=vision:NoExecute",
        lambda pod, _: pod["spec"].get("tolerations"),
        [
            {
                "key": "team",
                "operator": "Equal",
                "value": "vision",
                "effect": "NoExecute",
            }
        ],
    ),
    "image_pull_secrets": Case(
        "--kubeflow.image-pull-secrets registry",
        lambda pod, _: pod["spec"].get("imagePullSecrets"),
        [{"name": "registry"}],
    ),
    "image_pull_policy": Case(
        "--kubeflow.image-pull-policy Always",
        lambda pod, _: _container(pod).get("imagePullPolicy"),
        "Always",
    ),
    "pod_labels": Case(
        "--kubeflow.pod-labels team=vision",
        lambda pod, _: pod["metadata"].get("labels", {}).get("team"),
        "vision",
    ),
    "pod_annotations": Case(
        "--kubeflow.pod-annotations note=a:b",
        lambda pod, _: pod["metadata"].get("annotations"),
        {"note": "a:b"},
    ),
    "secrets": Case(
        "--kubeflow.secrets store/key=KEY",
        lambda pod, _: _secret(pod, "KEY"),
        {"name": "store", "key": "key"},
    ),
}
OF_STEPS = {
    **IN_ALL_PODS,
    "run_as_non_root": Case(
        "--kubeflow.run-as-non-root",
        lambda pod, _: _container(pod).get("securityContext"),
        {"runAsNonRoot": True},
    ),
    "retries": Case(
        "--kubeflow.retries 5",
        lambda _, task: task["retryPolicy"]["maxRetryCount"],
        5,
    ),
    "step_timeout": Case(
        "--kubeflow.step-timeout 7200",
        lambda pod, _: pod["spec"].get("activeDeadlineSeconds"),
        7200,
    ),
}
OF_JOBS = {
    **IN_ALL_PODS,
    "retries": Case("--kubeflow.retries 5", lambda _, job: _restarts(job), 5),
    "step_timeout": Case(
        "--kubeflow.step-timeout 7200",
        lambda _, job: re.findall(r'"activeDeadlineSeconds": (\d+)', json.dumps(job)),
        ["7200"],
    ),
}
KINDS = {"jobset": "JobSet", "tfjob": "TFJob", "trainjob": "TrainJob"}
# What the ClusterTrainingRuntime sets for a TrainJob.
OF_THE_RUNTIME = {"image_pull_policy", "retries"}


def test_each_flag_has_a_case() -> None:
    fields = {field.name for field in dataclasses.fields(KubeflowConfig)}
    assert OF_STEPS.keys() | {"job_kind"} == fields
    # The workers of a job never run as root.
    assert OF_JOBS.keys() | {"job_kind", "run_as_non_root"} == fields


def _words(cases: Mapping[str, Case]) -> list[str]:
    return [word for case in cases.values() for word in case.flag.split()]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> list[list[Json]]:
    """The documents without flags, and those with all."""
    path = tmp_path_factory.mktemp("compiled") / "pipeline.yaml"
    found = []
    for words in ([], _words(OF_STEPS)):
        assert command.main(["compile", "--output", str(path), *words]) == 0
        found.append(list(yaml.safe_load_all(path.read_text())))
    return found


@pytest.mark.parametrize("name", OF_STEPS)
def test_it_is_in_the_compiled_documents(name: str, compiled: list[list[Json]]) -> None:
    case = OF_STEPS[name]
    before, given = (
        case.look(
            pod_of(documents, "Trainer"),
            documents[0]["root"]["dag"]["tasks"]["Trainer"],
        )
        for documents in compiled
    )
    assert before != case.wanted
    assert given == case.wanted


def test_the_steps_pods_fit_kubernetes_schemas(compiled: list[list[Json]]) -> None:
    for documents in compiled:
        for step in step_entries.STEPS:
            _validate(pod_of(documents, step))


@pytest.mark.parametrize("job_kind", KINDS)
def test_it_is_in_the_job(job_kind: str) -> None:
    cases = {
        name: case
        for name, case in OF_JOBS.items()
        if job_kind != "trainjob" or name not in OF_THE_RUNTIME
    }
    default, job = _job(job_kind, []), _job(job_kind, _words(cases))
    assert job["kind"] == KINDS[job_kind]
    pods = [template_of(made_of(made)) for made in (default, job)]
    for name, case in cases.items():
        assert case.look(pods[0], default) != case.wanted, name
        assert case.look(pods[1], job) == case.wanted, name
    _validate(pods[1])


def _job(job_kind: str, words: list[str]) -> Json:
    args = flags.parse(
        command.CompileArgs,
        ["--kubeflow.job-kind", job_kind, *words],
        prog="",
        description="",
    )
    return job_objects.build("msg-gan-x", ["msg-gan", "train"], WORKERS, args.kubeflow)


def _validate(template: Json) -> None:
    document = {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "x"}}
    kubernetes_validate.validate(
        {**document, "template": template},
        kubernetes_validate.latest_version(),
        strict=True,
    )
