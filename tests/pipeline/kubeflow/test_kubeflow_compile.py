"""The file that `kubeflow_runner.py compile` writes."""

from __future__ import annotations

import importlib.metadata
import json
import pathlib
import subprocess
import sys
from typing import Any

import pytest
import yaml
from google.protobuf import json_format
from kfp import components
from kfp.pipeline_spec import pipeline_spec_pb2
from refusals import assert_refused

from pipeline.configs import BEAM_STEPS
from pipeline.kubeflow import command, pod_settings, step_entries
from pipeline.kubeflow.configs import KubeflowConfig

CLUSTER_FLAGS = [
    "--kubeflow.image",
    "registry.example.com/msg-gan:7",
    "--kubeflow.accelerator-count",
    "2",
    "--kubeflow.step-resources",
    "memory:3Gi",
    "--kubeflow.step-resources",
    "Transform=cpu:500m-2,memory:2.5G",
    "--kubeflow.step-resources",
    "Trainer=cpu:8",
    "--kubeflow.node-selector",
    "Trainer=cloud.google.com/gke-accelerator=nvidia-l4",
    "--kubeflow.node-selector",
    "zone=a",
    "--kubeflow.node-selector",
    "Pusher=zone=b",
    "--kubeflow.tolerations",
    "Trainer=nvidia.com/gpu:NoSchedule",
    "--kubeflow.tolerations",
    "team=vision:NoExecute",
    "--kubeflow.image-pull-secrets",
    "registry",
    "--kubeflow.image-pull-policy",
    "IfNotPresent",
    "--kubeflow.image-pull-policy",
    "Trainer=Always",
    "--kubeflow.pod-labels",
    "kueue.x-k8s.io/queue-name=small",
    "--kubeflow.pod-labels",
    "Trainer=kueue.x-k8s.io/queue-name=gpus",
    "--kubeflow.pod-annotations",
    "example.com/owner=Vision: team = 7",
    "--kubeflow.secrets",
    "object-store/accesskey=AWS_ACCESS_KEY_ID",
    "--kubeflow.retries",
    "3",
    "--kubeflow.step-timeout",
    "7200",
]


# What every backend from 2.5 on reads. 2.14 and 2.15 refuse what they do not know.
SINCE_2_5 = {
    "activeDeadlineSeconds",
    "emptyDirMounts",
    "imagePullPolicy",
    "imagePullSecret",
    "nodeSelector",
    "podMetadata",
    "pvcMount",
    "secretAsEnv",
    "tolerations",
}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    path = tmp_path_factory.mktemp("compiled") / "pipeline.yaml"
    assert command.main(["compile", "--output", str(path), *CLUSTER_FLAGS]) == 0
    return path


@pytest.fixture(scope="module")
def documents(package: pathlib.Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(package.read_text()))


def _executor(documents: list[dict[str, Any]], step: str) -> dict[str, Any]:
    spec = documents[0]
    label = spec["components"][step]["executorLabel"]
    return spec["deploymentSpec"]["executors"][label]["container"]


def _platform(documents: list[dict[str, Any]], step: str) -> dict[str, Any]:
    label = documents[0]["components"][step]["executorLabel"]
    kubernetes = documents[1]["platforms"]["kubernetes"]
    return kubernetes["deploymentSpec"]["executors"][label]


def test_it_parses_strictly(documents: list[dict[str, Any]]) -> None:
    spec, platform = documents
    parsed = json_format.ParseDict(spec, pipeline_spec_pb2.PipelineSpec())
    json_format.ParseDict(platform, pipeline_spec_pb2.PlatformSpec())
    json_format.ParseDict(
        spec["deploymentSpec"], pipeline_spec_pb2.PipelineDeploymentConfig()
    )
    assert parsed.schema_version == "2.1.0"
    assert parsed.pipeline_info.name == "msg-gan"


def test_the_sdk_loads_it(package: pathlib.Path) -> None:
    loaded = components.load_component_from_file(str(package))
    assert "train_steps" in loaded.component_spec.inputs


def test_each_step_starts_our_entry_point(documents: list[dict[str, Any]]) -> None:
    for step in documents[0]["components"]:
        container = _executor(documents, step)
        assert container["image"] == "registry.example.com/msg-gan:7"
        assert container["command"] == [
            "python",
            "-m",
            "pipeline.kubeflow.entrypoint",
            "--tfx",
            importlib.metadata.version("tfx"),
        ]
        assert container["args"].count("{{$}}") == 1


def test_runtime_parameters_have_the_presets_defaults(
    documents: list[dict[str, Any]],
) -> None:
    parameters = documents[0]["root"]["inputDefinitions"]["parameters"]
    defaults = {name: p["defaultValue"] for name, p in parameters.items()}
    assert defaults == {
        "dataset": "fashion_mnist:3.0.1",
        "train_steps": 750,
        "batch_size": 64,
        "generator_learning_rate": 0.001,
        "discriminator_learning_rate": 0.001,
        "seed": 0,
        "max_frechet_share": 0.25,
        "min_coverage": 0.05,
        "max_class_distance": 0.5,
        "max_worsening": 0.1,
        "serving_dir": "/mnt/msg-gan/serving",
    }
    assert parameters["train_steps"]["parameterType"] == "NUMBER_INTEGER"


def test_every_input_of_a_step_is_defined(documents: list[dict[str, Any]]) -> None:
    """The backend refuses a parameter without a definition or a value."""
    spec = documents[0]
    for step, task in spec["root"]["dag"]["tasks"].items():
        given = task.get("inputs", {}).get("parameters", {})
        definitions = spec["components"][step].get("inputDefinitions", {})
        assert set(given) == set(definitions.get("parameters", {}))
        args = _executor(documents, step)["args"]
        told = args[args.index("--json_serialized_inputs_spec_args") + 1]
        assert json.loads(told) == definitions


def test_each_step_gets_the_resources_it_was_promised(
    documents: list[dict[str, Any]],
) -> None:
    given = {
        step: _executor(documents, step)["resources"]
        for step in documents[0]["components"]
    }
    assert given["Trainer"] == {
        "accelerator": {"count": "2", "type": "nvidia.com/gpu"},
        "cpuRequest": 8.0,
        "cpuLimit": 8.0,
        "memoryRequest": 3.221225472,
        "memoryLimit": 3.221225472,
    }
    assert given["Transform"] == {
        "cpuRequest": 0.5,
        "cpuLimit": 2.0,
        "memoryRequest": 2.5,
        "memoryLimit": 2.5,
    }
    assert given["Pusher"] == {
        "cpuRequest": 0.25,
        "cpuLimit": 1.0,
        "memoryRequest": 3.221225472,
        "memoryLimit": 3.221225472,
    }
    # An exponent would be no quantity for Kubernetes.
    numbers = [n for r in given.values() for n in r.values() if isinstance(n, float)]
    assert len(numbers) == 4 * len(given)
    assert not any("e" in repr(n) for n in numbers)


def test_each_step_has_defaults() -> None:
    for step in step_entries.STEPS:
        spec = pod_settings.resource_spec(KubeflowConfig(), step)
        for name in ("cpu", "memory"):
            assert 0 < spec[f"{name}Request"] <= spec[f"{name}Limit"]
        assert "accelerator" not in spec


def test_flags_know_the_steps(documents: list[dict[str, Any]]) -> None:
    assert set(step_entries.STEPS) == documents[0]["components"].keys()


def test_each_step_is_placed_as_asked(documents: list[dict[str, Any]]) -> None:
    vision = {
        "key": "team",
        "operator": "Equal",
        "value": "vision",
        "effect": "NoExecute",
    }
    secret = {
        "secretName": "object-store",
        "keyToEnv": [{"secretKey": "accesskey", "envVar": "AWS_ACCESS_KEY_ID"}],
    }
    volume = {"constant": "msg-gan", "mountPath": "/mnt/msg-gan"}
    owner = {"example.com/owner": "Vision: team = 7"}
    everywhere = {
        "activeDeadlineSeconds": 7200,
        "imagePullPolicy": "IfNotPresent",
        "imagePullSecret": [{"secretName": "registry"}],
        "nodeSelector": {"labels": {"zone": "a"}},
        "podMetadata": {
            "labels": {"kueue.x-k8s.io/queue-name": "small"},
            "annotations": owner,
        },
        "secretAsEnv": [secret],
        "tolerations": [vision],
    }
    assert _platform(documents, "Transform") == everywhere
    assert _platform(documents, "Pusher") == {
        **everywhere,
        "nodeSelector": {"labels": {"zone": "b"}},
        "pvcMount": [volume],
    }
    gpu = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
    assert _platform(documents, "Trainer") == {
        **everywhere,
        "emptyDirMounts": [
            {"volumeName": "shm", "mountPath": "/dev/shm", "medium": "Memory"}
        ],
        "imagePullPolicy": "Always",
        "nodeSelector": {
            "labels": {"zone": "a", "cloud.google.com/gke-accelerator": "nvidia-l4"}
        },
        "podMetadata": {
            "labels": {"kueue.x-k8s.io/queue-name": "gpus"},
            "annotations": owner,
        },
        "pvcMount": [volume],
        "tolerations": [vision, gpu],
    }


def test_the_platform_document_is_for_all_backends_since_2_5(
    documents: list[dict[str, Any]],
) -> None:
    for step in documents[0]["components"]:
        assert _platform(documents, step).keys() <= SINCE_2_5


def _specs(**fields: Any) -> dict[str, dict[str, Any]]:
    spec = pod_settings.platform_spec(
        {step: step for step in step_entries.STEPS}, KubeflowConfig(**fields)
    )
    return spec["platforms"]["kubernetes"]["deploymentSpec"]["executors"]


def test_non_root_is_a_flag_since_older_backends_refuse_it() -> None:
    assert all("securityContext" not in spec for spec in _specs().values())
    marked = _specs(run_as_non_root=True)
    assert marked.keys() == set(step_entries.STEPS)
    for spec in marked.values():
        assert spec["securityContext"] == {"runAsNonRoot": True}


def test_a_key_that_resembles_a_step_is_a_key() -> None:
    spec = _specs(tolerations=("trainer=v2:NoSchedule", "Trainer=v3:NoSchedule"))
    assert spec["Pusher"]["tolerations"] == [
        {
            "key": "trainer",
            "operator": "Equal",
            "value": "v2",
            "effect": "NoSchedule",
        }
    ]
    assert len(spec["Trainer"]["tolerations"]) == 2


def test_one_gpu_needs_no_shared_memory() -> None:
    assert "emptyDirMounts" not in _specs(accelerator_count=1)["Trainer"]


def test_with_workers_their_pods_get_it_and_the_trainer_nothing(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "pipeline.yaml"
    flags = ["compile", *CLUSTER_FLAGS, "--train.workers", "3"]
    assert command.main([*flags, "--output", str(path)]) == 0
    documents = list(yaml.safe_load_all(path.read_text()))
    # The step's own pod gets what is for all steps, and no more than it needs to wait.
    assert _executor(documents, "Trainer")["resources"] == {
        "cpuRequest": 0.25,
        "cpuLimit": 1.0,
        "memoryRequest": 3.221225472,
        "memoryLimit": 3.221225472,
    }
    platform = _platform(documents, "Trainer")
    assert platform["nodeSelector"] == {"labels": {"zone": "a"}}
    assert platform["imagePullPolicy"] == "IfNotPresent"
    assert [t["key"] for t in platform["tolerations"]] == ["team"]
    assert "emptyDirMounts" not in platform

    capsys.readouterr()
    assert command.main([*flags, "--dry-run"]) == 0
    shown = capsys.readouterr().out
    job = shown[shown.index("  apiVersion: jobset.x-k8s.io/v1alpha2") :]
    job, _, _ = job.partition("Runtime parameters")
    (replicated,) = yaml.safe_load(job)["spec"]["replicatedJobs"]
    spec = replicated["template"]["spec"]
    assert spec["completions"] == 3
    (container,) = spec["template"]["spec"]["containers"]
    assert container["image"] == "registry.example.com/msg-gan:7"
    assert container["resources"] == {
        "requests": {"cpu": "8", "memory": "3Gi"},
        "limits": {"cpu": "8", "memory": "3Gi", "nvidia.com/gpu": "2"},
    }
    assert "/mnt/msg-gan/checkpoints" in container["command"]


def test_the_same_input_gives_the_same_bytes(
    package: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    again = tmp_path / "again.yaml"
    assert command.main(["compile", "--output", str(again), *CLUSTER_FLAGS]) == 0
    assert again.read_bytes() == package.read_bytes()


def test_steps_that_run_side_by_side_do_not_share_the_volume(
    documents: list[dict[str, Any]],
) -> None:
    mounted = {
        step
        for step in documents[0]["components"]
        if "pvcMount" in _platform(documents, step)
    }
    assert mounted == {"Trainer", "GanEvaluator", "Pusher"}


@pytest.mark.parametrize(
    ("flags", "is_cached", "is_mounted", "has_parameter"),
    [
        (["--data.dataset", "garments"], True, False, True),
        (["--data.dataset", "mine", "--data.data-dir", "DIR"], False, True, True),
        (["--data.dataset", "mine:1.0.0", "--data.data-dir", "DIR"], True, True, True),
        (["--data.folder", "DIR/shoes"], False, True, False),
    ],
    ids=["known", "on the volume", "with a version", "folder"],
)
def test_data_on_the_volume_are_read_there_and_anew_if_they_may_have_changed(
    flags: list[str],
    is_cached: bool,
    is_mounted: bool,
    has_parameter: bool,
    tmp_path: pathlib.Path,
) -> None:
    output = tmp_path / "pipeline.yaml"
    flags = [flag.replace("DIR", "/mnt/msg-gan/data") for flag in flags]
    assert command.main(["compile", "--output", str(output), *flags]) == 0
    documents = list(yaml.safe_load_all(output.read_text()))
    root = documents[0]["root"]
    task = root["dag"]["tasks"]["TfdsExampleGen"]
    assert task["cachingOptions"]["enableCache"] is is_cached
    executors = documents[1]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    label = documents[0]["components"]["TfdsExampleGen"]["executorLabel"]
    assert ("pvcMount" in executors.get(label, {})) is is_mounted
    parameters = root["inputDefinitions"]["parameters"]
    assert ("dataset" in parameters) is has_parameter


def test_a_long_training_is_retried_as_well(documents: list[dict[str, Any]]) -> None:
    policy = documents[0]["root"]["dag"]["tasks"]["Trainer"]["retryPolicy"]
    assert policy["maxRetryCount"] == 3
    assert int(policy["backoffMaxDuration"].removesuffix("s")) > 14 * 24 * 3600


def test_beams_options_are_on_the_command_lines_of_its_steps(
    tmp_path: pathlib.Path,
) -> None:
    output = tmp_path / "pipeline.yaml"
    flags = ["--beam.options=--parallelism=2", "--beam.component-options"]
    flags += ["Transform=--runner=FlinkRunner", "--beam.component-options"]
    flags += ["Transform=--flink_master=flink:8081", "--data.dataset", "garments"]
    assert command.main(["compile", "--output", str(output), *flags]) == 0
    documents = list(yaml.safe_load_all(output.read_text()))
    arguments = {s: _executor(documents, s)["args"] for s in documents[0]["components"]}
    assert all("--parallelism=2" in arguments[step] for step in BEAM_STEPS)
    transform = arguments["Transform"]
    assert [a for a in transform if a.startswith("--runner=")][-1] == (
        "--runner=FlinkRunner"
    )
    # Flink's workers do not see what lies on the disk of the step's pod.
    assert {s: a[:2] for s, a in arguments.items() if "--artifacts" in a} == {
        "Transform": ["--artifacts", "uris"]
    }


def test_images_by_digest_and_from_a_registry_with_a_port() -> None:
    digest = "@sha256:" + "0f" * 32
    for image in ("msg-gan", "localhost:5000/a/b-c_d:1.0.0-gpu", f"r.io/x{digest}"):
        assert KubeflowConfig(image=image).image == image


def test_dry_run_shows_the_plan_and_writes_nothing(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "pipeline.yaml"
    flags = ["compile", "--dry-run", "--output", str(output), *CLUSTER_FLAGS]
    assert command.main(flags) == 0
    shown = capsys.readouterr().out
    (trainer,) = (x for x in shown.splitlines() if x.strip().startswith("Trainer:"))
    assert "2 x nvidia.com/gpu" in trainer
    assert "; 8 CPUs; 3.22 GB;" in trainer
    (transform,) = (x for x in shown.splitlines() if " Transform:" in x)
    assert "; 0.5 to 2 CPUs; 2.5 GB" in transform
    assert "volume msg-gan at /mnt/msg-gan" in trainer
    assert shown.index("TfdsExampleGen:") < shown.index("Pusher:")
    assert "train_steps = 750" in shown
    assert not output.exists()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--evaluate.baseline", "resolver"], ["evaluate.baseline", "resolver"]),
        (["--train.strategy", "multi_worker"], ["train.strategy", "--train.workers"]),
        (["--train.workers", "0"], ["train.workers", "at least 1"]),
        (["--pipeline-root", "/data"], ["pipeline_root", "--kubeflow.mount-path"]),
        (["--serving-dir", "/srv/models"], ["serving_dir", "/srv/models"]),
        (["--train.checkpoint-dir", "ckpt"], ["train.checkpoint_dir", "/mnt/msg-gan"]),
        (["--data.folder", "/home/me/shoes"], ["data.folder", "/mnt/msg-gan"]),
        (
            ["--data.folder", "/mnt/msg-gan/shoes", "--beam.runner", "DataflowRunner"],
            ["data.data_dir is None", "--data.folder"],
        ),
        (["--name", "MSG GAN"], ["name is 'MSG GAN'"]),
        (["--kubeflow.image", "msg gan:1"], ["kubeflow.image", "'msg gan:1'"]),
        (["--kubeflow.image", "Example.com/MSG-GAN"], ["kubeflow.image", "MSG-GAN"]),
        (["--kubeflow.image", "msg-gan:"], ["kubeflow.image", "msg-gan:"]),
        (["--kubeflow.volume-claim", "My_Claim"], ["kubeflow.volume_claim"]),
        (["--kubeflow.mount-path", "mnt"], ["kubeflow.mount_path", "absolute"]),
        (["--kubeflow.retries", "-1"], ["kubeflow.retries", "-1"]),
        (["--kubeflow.tolerations", "gpu"], ["kubeflow.tolerations", "NoSchedule"]),
        (["--kubeflow.tolerations", "Trainer=gpu"], ["STEP=key:NoSchedule"]),
        (
            ["--kubeflow.tolerations", "Trainr=gpu:NoSchedule"],
            ["no step 'Trainr'", "Trainer="],
        ),
        (["--kubeflow.node-selector", "Pusher=gpu"], ["'Pusher=gpu'", "key=value"]),
        (["--kubeflow.pod-labels", "queue"], ["kubeflow.pod_labels", "key=value"]),
        (["--kubeflow.pod-annotations", "=x"], ["kubeflow.pod_annotations"]),
        (["--kubeflow.image-pull-policy", "Sometimes"], ["Always|IfNotPresent|Never"]),
        (["--kubeflow.image-pull-secrets", "A"], ["kubeflow.image_pull_secrets"]),
        (["--kubeflow.step-resources", "Pusher=2"], ["'Pusher=2'", "cpu:AMOUNT"]),
        (["--kubeflow.step-resources", "gpu:1"], ["kubeflow.step_resources", "gpu:1"]),
        (["--kubeflow.step-resources", "cpu:4-2"], ["cpu:4-2", "not below"]),
        (["--kubeflow.step-resources", "cpu:0"], ["cpu:0", "1m CPU"]),
        (["--kubeflow.step-resources", "memory:4"], ["memory:4", "4Gi"]),
        (["--kubeflow.step-resources", "Pushr=cpu:2"], ["Pushr=cpu:2"]),
        (["--kubeflow.secrets", "s=V"], ["kubeflow.secrets", "secret/key=VARIABLE"]),
        (["--output", "/nowhere/p.yaml"], ["/nowhere/p.yaml"]),
        (
            ["--train.strategy", "mirrored", "--train.replicas", "2"],
            ["train.replicas", "--kubeflow.accelerator-count"],
        ),
    ],
)
def test_what_cannot_run_there_is_refused(
    flags: list[str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert_refused(command.main, ["compile", *flags], words, capsys)


def test_help_imports_neither_tensorflow_nor_tfx_nor_kfp() -> None:
    code = (
        "import sys\n"
        "from pipeline.kubeflow import command as kubeflow_command\n"
        "for command in (['--help'], ['compile', '--help'], ['submit', '--help']):\n"
        "    try:\n"
        "        kubeflow_command.main(command)\n"
        "    except SystemExit as e:\n"
        "        assert not e.code\n"
        "sys.exit(bool({'tensorflow', 'tfx', 'kfp'} & sys.modules.keys()))\n"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert "--kubeflow.image" in shown
    assert "--pipeline-root" in shown
