"""The jobs that the Trainer's step would send to Kubernetes."""

from __future__ import annotations

import json
import types
from typing import Any

import kubernetes_validate
import pytest
import tyro
from kubeflow import training as kubeflow_training
from kubeflow_trainer_api import models

from msg_modules.configs import ModelConfig, TrainConfig, to_flags
from msg_modules.training import cluster
from pipeline.kubeflow import job_objects
from pipeline.kubeflow.configs import KubeflowConfig

CONFIG = {
    "image": "registry.example.com/msg-gan:7",
    "cpu_limit": 8,
    "memory_limit": 32,
    "accelerator_count": 2,
    "node_selector": ["cloud.google.com/gke-accelerator=nvidia-l4"],
    "tolerations": ["nvidia.com/gpu:NoSchedule", "team=vision:NoExecute"],
    "secrets": ["object-store/accesskey=AWS_ACCESS_KEY_ID"],
    "step_timeout": 7200,
}


def _build(job_kind: str, **fields: Any) -> dict[str, Any]:
    return job_objects.build(
        "msg-gan-0123456789abcdef",
        ["msg-gan", "train", "--train.workers", "3"],
        3,
        KubeflowConfig(job_kind=job_kind, **{**CONFIG, **fields}),
        attempt="0",
        owner=("trainer-pod", "d8a0"),
    )


def _pod_template(job: dict[str, Any]) -> dict[str, Any]:
    if job["kind"] == "TFJob":
        return job["spec"]["tfReplicaSpecs"]["Worker"]["template"]
    return job["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]


def _validate(kind: str, version: str, **body: Any) -> None:
    document = {"apiVersion": version, "kind": kind, "metadata": {"name": "x"}, **body}
    kubernetes_validate.validate(
        document, kubernetes_validate.latest_version(), strict=True
    )


def _is_part(part: Any, whole: Any) -> bool:
    if isinstance(part, dict):
        return all(k in whole and _is_part(v, whole[k]) for k, v in part.items())
    if isinstance(part, list):
        return len(part) == len(whole) and all(map(_is_part, part, whole))
    return part == whole


@pytest.mark.parametrize("retries", [0, 2])
def test_a_tf_job_is_one_for_the_training_operators_own_models(retries: int) -> None:
    job = _build("tfjob", retries=retries)
    client = kubeflow_training.ApiClient()
    answer = types.SimpleNamespace(data=json.dumps(job))
    parsed = client.deserialize(answer, "KubeflowOrgV1TFJob")
    # A field that the models do not have would be lost.
    assert client.sanitize_for_serialization(parsed) == job


def test_a_job_set_is_one_for_its_own_models() -> None:
    job = _build("jobset")
    parsed = models.JobsetV1alpha2JobSet.from_dict(job)
    # The models add their defaults, and lose a field that they do not have.
    assert _is_part(job, json.loads(parsed.to_json()))
    _validate(
        "Job", "batch/v1", spec=job["spec"]["replicatedJobs"][0]["template"]["spec"]
    )


@pytest.mark.parametrize("job_kind", ["tfjob", "jobset"])
def test_the_pods_fit_kubernetes_schemas_and_get_what_was_asked_for(
    job_kind: str,
) -> None:
    template = _pod_template(_build(job_kind))
    _validate("PodTemplate", "v1", template=template)
    spec = template["spec"]
    (container,) = spec["containers"]
    assert container["name"] == "tensorflow"
    assert container["image"] == "registry.example.com/msg-gan:7"
    assert container["resources"]["limits"] == {
        "cpu": "8",
        "memory": "32G",
        "nvidia.com/gpu": "2",
    }
    assert spec["nodeSelector"] == {"cloud.google.com/gke-accelerator": "nvidia-l4"}
    assert [t["key"] for t in spec["tolerations"]] == ["nvidia.com/gpu", "team"]
    secret = {"name": "object-store", "key": "accesskey"}
    assert container["env"][-1] == {
        "name": "AWS_ACCESS_KEY_ID",
        "valueFrom": {"secretKeyRef": secret},
    }
    (mount,) = container["volumeMounts"]
    (volume,) = spec["volumes"]
    assert mount == {"name": volume["name"], "mountPath": "/mnt/msg-gan"}
    assert volume["persistentVolumeClaim"] == {"claimName": "msg-gan"}


def test_job_sets_pods_find_each_other_and_themselves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (container,) = _pod_template(_build("jobset"))["spec"]["containers"]
    index, tf_config = container["env"][:2]
    assert index["valueFrom"]["fieldRef"]["fieldPath"] == (
        "metadata.annotations['batch.kubernetes.io/job-completion-index']"
    )
    # Kubernetes puts a variable that stands before into the value of another.
    value = tf_config["value"].replace(f"$({index['name']})", "2")
    monkeypatch.setenv("TF_CONFIG", value)
    found = cluster.find("auto", workers=3)
    assert found is not None
    assert (found.index, found.is_chief) == (2, False)
    # <JobSet>-<replicated job>-<its number>-<number of the pod>.<JobSet>
    assert found.addresses == tuple(
        f"msg-gan-0123456789abcdef-worker-0-{i}.msg-gan-0123456789abcdef:2222"
        for i in range(3)
    )


def test_a_tf_job_restarts_its_workers_as_often_as_a_step_is_retried() -> None:
    spec = _build("tfjob", retries=2)["spec"]
    assert spec["tfReplicaSpecs"]["Worker"]["restartPolicy"] == "OnFailure"
    # When one fails all three do, and the limit is the first number that is too much.
    assert spec["runPolicy"]["backoffLimit"] == 7
    spec = _build("tfjob", retries=0)["spec"]
    assert spec["tfReplicaSpecs"]["Worker"]["restartPolicy"] == "Never"


@pytest.mark.parametrize(
    "train",
    [
        TrainConfig(),
        TrainConfig(
            steps=7,
            batch_size=3,
            loss="wasserstein",
            gradient_penalty=10.0,
            generator_learning_rate=1.5e-5,
            workers=2,
            checkpoint_dir="/mnt/msg-gan/one training",
            allow_changed=True,
            deterministic=True,
        ),
    ],
)
def test_a_commands_flags_say_all_of_the_settings(train: TrainConfig) -> None:
    def parse(train: TrainConfig = TrainConfig()) -> TrainConfig:  # noqa: B008
        return train

    assert tyro.cli(parse, args=to_flags("train", train)) == train
    assert to_flags("model", ModelConfig(network="tutorial")) == [
        "--model.network",
        "tutorial",
    ]
