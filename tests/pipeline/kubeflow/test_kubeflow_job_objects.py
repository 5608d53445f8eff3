"""The jobs that the Trainer's step would send to Kubernetes."""

from __future__ import annotations

import json
import re
import types
from typing import Any

import kubernetes_validate
import pod_security
import pytest
import tyro
from kubeflow import training as kubeflow_training
from kubeflow_trainer_api import models
from kubernetes_server import RUNTIME, made_of, template_of

from msg_modules.common.errors import ConfigError
from msg_modules.configs import ModelConfig, TrainConfig, to_flags
from msg_modules.training import cluster
from pipeline.kubeflow import job_objects
from pipeline.kubeflow.configs import KubeflowConfig

KINDS = ["jobset", "tfjob", "trainjob"]
CONFIG = {
    "image": "registry.example.com/msg-gan:7",
    "step_resources": ["memory:1Gi", "Trainer=cpu:8,memory:16Gi-32Gi", "Pusher=cpu:9"],
    "accelerator_count": 2,
    "node_selector": [
        "zone=a",
        "Trainer=cloud.google.com/gke-accelerator=nvidia-l4",
        "Pusher=disk=fast",
    ],
    "tolerations": ["nvidia.com/gpu:NoSchedule", "Trainer=team=vision:NoExecute"],
    "image_pull_secrets": ["registry"],
    "pod_labels": ["team=vision", "Trainer=kueue.x-k8s.io/queue-name=gpus"],
    "pod_annotations": ["Trainer=example.com/note=a=b: c"],
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
    return template_of(made_of(job))


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


def test_a_train_job_is_one_for_trainers_own_models() -> None:
    job = _build("trainjob")
    parsed = models.TrainerV1alpha1TrainJob.from_dict(job)
    assert _is_part(job, json.loads(parsed.to_json()))
    # They ignore a field that they do not have, and that a patch must not have.
    (patch,) = job["spec"]["runtimePatches"]
    (patched,) = patch["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"]
    pod = patched["template"]["spec"]["template"]["spec"]
    for model, value in (
        (models.TrainerV1alpha1PodSpecPatch, pod),
        (models.TrainerV1alpha1ContainerPatch, pod["containers"][0]),
        (models.TrainerV1alpha1Trainer, job["spec"]["trainer"]),
        (models.TrainerV1alpha1TrainJobSpec, job["spec"]),
    ):
        known = {field.alias or name for name, field in model.model_fields.items()}
        assert value.keys() <= known
    # Which it demands of the name of a patch's author.
    assert re.fullmatch(r"[a-z0-9.-]+/[\w.-]+", patch["manager"])


def test_the_runtime_is_one_for_trainers_own_models() -> None:
    assert RUNTIME["metadata"]["name"] == job_objects.RUNTIME
    parsed = models.TrainerV1alpha1ClusterTrainingRuntime.from_dict(RUNTIME)
    assert _is_part(RUNTIME, json.loads(parsed.to_json()))
    made = made_of(_build("trainjob"))
    (job,) = made["spec"]["replicatedJobs"]
    _validate("Job", "batch/v1", spec=job["template"]["spec"])
    assert job["template"]["spec"]["completions"] == 3


def test_a_train_jobs_pods_differ_from_a_job_sets_in_their_names_only() -> None:
    pods = [json.dumps(_pod_template(_build(kind))) for kind in ("jobset", "trainjob")]
    renamed = pods[0].replace("-worker-0-", "-node-0-").replace("tensorflow", "node")
    assert json.loads(pods[1]) == _same_order(json.loads(renamed), json.loads(pods[1]))


def _same_order(whole: Any, order: Any) -> Any:
    """With lists of named items in the order of another object's."""
    if isinstance(whole, dict):
        return {k: _same_order(v, order.get(k)) for k, v in whole.items()}
    if isinstance(whole, list) and whole and isinstance(whole[0], dict):
        names = [item.get("name") for item in order]
        whole = sorted(whole, key=lambda item: names.index(item.get("name")))
        return [_same_order(*pair) for pair in zip(whole, order, strict=True)]
    return whole


def test_a_job_set_is_one_for_its_own_models() -> None:
    job = _build("jobset")
    parsed = models.JobsetV1alpha2JobSet.from_dict(job)
    # The models add their defaults, and lose a field that they do not have.
    assert _is_part(job, json.loads(parsed.to_json()))
    _validate(
        "Job", "batch/v1", spec=job["spec"]["replicatedJobs"][0]["template"]["spec"]
    )


@pytest.mark.parametrize("job_kind", KINDS)
def test_the_pods_fit_kubernetes_schemas_and_get_what_was_asked_for(
    job_kind: str,
) -> None:
    template = _pod_template(_build(job_kind))
    _validate("PodTemplate", "v1", template=template)
    spec = template["spec"]
    (container,) = spec["containers"]
    assert container["image"] == "registry.example.com/msg-gan:7"
    assert container["resources"] == {
        "requests": {"cpu": "8", "memory": "16Gi"},
        "limits": {"cpu": "8", "memory": "32Gi", "nvidia.com/gpu": "2"},
    }
    assert spec["nodeSelector"] == {
        "zone": "a",
        "cloud.google.com/gke-accelerator": "nvidia-l4",
    }
    assert spec["imagePullSecrets"] == [{"name": "registry"}]
    labels = template["metadata"]["labels"]
    assert labels["team"] == "vision"
    assert labels["app.kubernetes.io/instance"] == "msg-gan-0123456789abcdef"
    assert template["metadata"]["annotations"] == {"example.com/note": "a=b: c"}
    assert [t["key"] for t in spec["tolerations"]] == ["nvidia.com/gpu", "team"]
    secret = {"name": "object-store", "key": "accesskey"}
    assert container["env"][-1] == {
        "name": "AWS_ACCESS_KEY_ID",
        "valueFrom": {"secretKeyRef": secret},
    }
    volumes = {volume.pop("name"): volume for volume in spec["volumes"]}
    mounted = {m["mountPath"]: volumes[m["name"]] for m in container["volumeMounts"]}
    assert mounted == {
        "/mnt/msg-gan": {"persistentVolumeClaim": {"claimName": "msg-gan"}},
        "/dev/shm": {"emptyDir": {"medium": "Memory"}},
        "/tmp": {"emptyDir": {}},
    }


@pytest.mark.parametrize("job_kind", KINDS)
def test_the_pods_may_run_in_a_restricted_namespace(job_kind: str) -> None:
    spec = _pod_template(_build(job_kind))["spec"]
    assert not pod_security.violations(spec)
    assert not pod_security.writes_to_its_root(spec)
    (container,) = spec["containers"]
    # With a read-only root, libraries keep their caches on a volume.
    environment = {e["name"]: e.get("value") for e in container["env"]}
    assert environment["HOME"] in {m["mountPath"] for m in container["volumeMounts"]}
    assert spec["automountServiceAccountToken"] is False
    assert "hostUsers" not in spec  # So that an administrator can set it to false.


@pytest.mark.parametrize("job_kind", KINDS)
def test_a_jobs_queue_is_on_the_job_itself(job_kind: str) -> None:
    labels = _build(job_kind)["metadata"]["labels"]
    assert labels["kueue.x-k8s.io/queue-name"] == "gpus"


@pytest.mark.parametrize("job_kind", KINDS)
def test_one_gpu_needs_no_shared_memory(job_kind: str) -> None:
    spec = _pod_template(_build(job_kind, accelerator_count=1))["spec"]
    assert {volume["name"] for volume in spec["volumes"]} == {"msg-gan", "scratch"}


@pytest.mark.parametrize(
    ("policy", "wanted"), [((), None), (["Trainer=Never"], "Never")]
)
def test_the_image_is_pulled_when_asked_to(policy: Any, wanted: str | None) -> None:
    spec = _pod_template(_build("jobset", image_pull_policy=policy))["spec"]
    assert spec["containers"][0].get("imagePullPolicy") == wanted


def test_a_train_jobs_image_is_pulled_as_its_runtime_says() -> None:
    with pytest.raises(ConfigError, match="ClusterTrainingRuntime"):
        _build("trainjob", image_pull_policy=["Always"])
    _build("trainjob", image_pull_policy=["Pusher=Always"])


@pytest.mark.parametrize(
    ("job_kind", "replicated_job"), [("jobset", "worker"), ("trainjob", "node")]
)
def test_pods_find_each_other_and_themselves(
    job_kind: str,
    replicated_job: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (container,) = _pod_template(_build(job_kind))["spec"]["containers"]
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
        f"msg-gan-0123456789abcdef-{replicated_job}-0-{i}.msg-gan-0123456789abcdef:2222"
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
