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

from pipeline.configs import BEAM_STEPS, KubeflowConfig
from pipeline.kubeflow import command

CLUSTER_FLAGS = [
    "--kubeflow.image",
    "registry.example.com/msg-gan:7",
    "--kubeflow.accelerator-count",
    "2",
    "--kubeflow.cpu-limit",
    "8",
    "--kubeflow.memory-limit",
    "32",
    "--kubeflow.node-selector",
    "cloud.google.com/gke-accelerator=nvidia-l4",
    "--kubeflow.tolerations",
    "nvidia.com/gpu:NoSchedule",
    "--kubeflow.tolerations",
    "team=vision:NoExecute",
    "--kubeflow.secrets",
    "object-store/accesskey=AWS_ACCESS_KEY_ID",
    "--kubeflow.retries",
    "3",
    "--kubeflow.step-timeout",
    "7200",
]


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
        "train_steps": 1500,
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


def test_the_trainer_gets_what_it_was_promised(
    documents: list[dict[str, Any]],
) -> None:
    assert _executor(documents, "Trainer")["resources"] == {
        "accelerator": {"count": "2", "type": "nvidia.com/gpu"},
        "cpuLimit": 8.0,
        "memoryLimit": 32.0,
    }
    assert _platform(documents, "Trainer") == {
        "activeDeadlineSeconds": 7200,
        "nodeSelector": {"labels": {"cloud.google.com/gke-accelerator": "nvidia-l4"}},
        "pvcMount": [{"constant": "msg-gan", "mountPath": "/mnt/msg-gan"}],
        "secretAsEnv": [
            {
                "secretName": "object-store",
                "keyToEnv": [{"secretKey": "accesskey", "envVar": "AWS_ACCESS_KEY_ID"}],
            }
        ],
        "tolerations": [
            {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
            {
                "key": "team",
                "operator": "Equal",
                "value": "vision",
                "effect": "NoExecute",
            },
        ],
    }


def test_with_workers_their_pods_get_it_and_the_trainer_nothing(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "pipeline.yaml"
    flags = ["compile", *CLUSTER_FLAGS, "--train.workers", "3"]
    assert command.main([*flags, "--output", str(path)]) == 0
    documents = list(yaml.safe_load_all(path.read_text()))
    assert "resources" not in _executor(documents, "Trainer")
    platform = _platform(documents, "Trainer")
    assert platform.keys() == {"activeDeadlineSeconds", "pvcMount", "secretAsEnv"}

    capsys.readouterr()
    assert command.main([*flags, "--dry-run"]) == 0
    shown = capsys.readouterr().out
    job = shown[shown.index("  apiVersion: kubeflow.org/v1") :]
    job, _, _ = job.partition("Runtime parameters")
    spec = yaml.safe_load(job)["spec"]["tfReplicaSpecs"]["Worker"]
    assert spec["replicas"] == 3
    (container,) = spec["template"]["spec"]["containers"]
    assert container["image"] == "registry.example.com/msg-gan:7"
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "2"
    assert "/mnt/msg-gan/checkpoints" in container["command"]


def test_steps_that_run_side_by_side_do_not_share_the_volume(
    documents: list[dict[str, Any]],
) -> None:
    mounted = {
        step
        for step in documents[0]["components"]
        if "pvcMount" in _platform(documents, step)
    }
    assert mounted == {"Trainer", "GanEvaluator", "Pusher"}


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
    assert "volume msg-gan at /mnt/msg-gan" in trainer
    assert shown.index("TfdsExampleGen:") < shown.index("Pusher:")
    assert "train_steps = 1500" in shown
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
        (["--name", "MSG GAN"], ["name is 'MSG GAN'"]),
        (["--kubeflow.image", "msg gan:1"], ["kubeflow.image", "'msg gan:1'"]),
        (["--kubeflow.image", "Example.com/MSG-GAN"], ["kubeflow.image", "MSG-GAN"]),
        (["--kubeflow.image", "msg-gan:"], ["kubeflow.image", "msg-gan:"]),
        (["--kubeflow.volume-claim", "My_Claim"], ["kubeflow.volume_claim"]),
        (["--kubeflow.mount-path", "mnt"], ["kubeflow.mount_path", "absolute"]),
        (["--kubeflow.retries", "-1"], ["kubeflow.retries", "-1"]),
        (["--kubeflow.tolerations", "gpu"], ["kubeflow.tolerations", "NoSchedule"]),
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
