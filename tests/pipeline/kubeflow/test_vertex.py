"""The file that `kubeflow_runner.py compile --target vertex` writes."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pytest
from google.auth import credentials
from google.cloud import aiplatform
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2
from refusals import assert_refused

from pipeline.configs import BEAM_STEPS
from pipeline.kubeflow import command, pod_settings
from pipeline.kubeflow.configs import KubeflowConfig

ROOT = "gs://bucket/msg-gan"
FLAGS = [
    "compile",
    "--target",
    "vertex",
    "--pipeline-root",
    ROOT,
    "--data.dataset",
    "garments",
    "--kubeflow.image",
    "europe-docker.pkg.dev/project/images/msg-gan:7",
    "--kubeflow.accelerator",
    "NVIDIA_TESLA_T4",
    "--kubeflow.accelerator-count",
    "2",
]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    directory = tmp_path_factory.mktemp("vertex")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        assert command.main(FLAGS) == 0
    return directory / "pipeline.json"


@pytest.fixture(scope="module")
def job(path: pathlib.Path) -> dict[str, Any]:
    return json.loads(path.read_text())


def _containers(job: dict[str, Any]) -> dict[str, dict[str, Any]]:
    executors = job["pipelineSpec"]["deploymentSpec"]["executors"]
    return {
        step: executors[component["executorLabel"]]["container"]
        for step, component in job["pipelineSpec"]["components"].items()
    }


def test_it_parses_strictly(job: dict[str, Any]) -> None:
    parsed = json_format.ParseDict(job, pipeline_spec_pb2.PipelineJob())
    assert parsed.runtime_config.gcs_output_directory == ROOT
    spec = json_format.ParseDict(job["pipelineSpec"], pipeline_spec_pb2.PipelineSpec())
    json_format.ParseDict(
        job["pipelineSpec"]["deploymentSpec"],
        pipeline_spec_pb2.PipelineDeploymentConfig(),
    )
    assert spec.schema_version == "2.1.0"
    # And back: nothing of it is lost on the way.
    assert json_format.MessageToDict(parsed) == job


def test_googles_sdk_makes_the_request_of_it(
    path: pathlib.Path, job: dict[str, Any]
) -> None:
    submitted = aiplatform.PipelineJob(
        display_name="msg-gan",
        template_path=str(path),
        parameter_values={"train_steps": 500},
        project="project",
        location="europe-west4",
        credentials=credentials.AnonymousCredentials(),
    ).to_dict()
    assert submitted["runtimeConfig"]["gcsOutputDirectory"] == ROOT
    assert submitted["runtimeConfig"]["parameterValues"] == {"train_steps": 500}
    assert submitted["pipelineSpec"] == job["pipelineSpec"]


def test_what_runs_and_with_what(job: dict[str, Any]) -> None:
    containers = _containers(job)
    assert {c["image"] for c in containers.values()} == {
        "europe-docker.pkg.dev/project/images/msg-gan:7"
    }
    assert containers["Trainer"]["resources"] == {
        "accelerator": {"count": "2", "type": "NVIDIA_TESLA_T4"}
    }
    # Vertex AI has a default machine, which is larger than what steps need.
    assert [step for step, c in containers.items() if "resources" in c] == ["Trainer"]
    # No launcher copies there: ours does, but for what Beam's workers open.
    access = {step: c["args"][:2] for step, c in containers.items()}
    assert access == {
        step: ["--artifacts", "uris" if step in BEAM_STEPS else "copies"]
        for step in containers
    }


def test_a_step_gets_a_larger_machine_on_request() -> None:
    config = KubeflowConfig(step_resources=("Transform=cpu:2-8,memory:32Gi",))
    assert pod_settings.vertex_resource_spec(config, "Transform") == {
        "cpuLimit": 8.0,
        "memoryLimit": 34.359738368,
    }
    assert pod_settings.vertex_resource_spec(config, "Pusher") == {}


def test_checkpoints_and_generators_lie_in_mounted_buckets(
    job: dict[str, Any],
) -> None:
    root = job["pipelineSpec"]["root"]
    trainer = root["dag"]["tasks"]["Trainer"]["inputs"]["parameters"]
    custom = json.loads(trainer["custom_config"]["runtimeValue"]["constant"])
    assert custom["checkpoint_root"] == "/gcs/bucket/msg-gan/checkpoints"
    defaults = {
        name: parameter["defaultValue"]
        for name, parameter in root["inputDefinitions"]["parameters"].items()
    }
    assert defaults["serving_dir"] == "/gcs/bucket/msg-gan/serving"
    assert defaults["train_steps"] == 750


def test_a_folder_is_read_in_a_mounted_bucket(tmp_path: pathlib.Path) -> None:
    output = tmp_path / "pipeline.json"
    folder = ["--data.folder", "gs://bucket/shoes", "--data.image-size", "32"]
    assert command.main([*FLAGS, *folder, "--output", str(output)]) == 0
    dag = json.loads(output.read_text())["pipelineSpec"]["root"]["dag"]
    parameters = dag["tasks"]["TfdsExampleGen"]["inputs"]["parameters"]
    config = json.loads(parameters["config"]["runtimeValue"]["constant"])
    assert config["folder"] == "/gcs/bucket/shoes"


def test_the_same_input_gives_the_same_bytes(
    path: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    again = tmp_path / "again.json"
    assert command.main([*FLAGS, "--output", str(again)]) == 0
    assert again.read_bytes() == path.read_bytes()


def test_dry_run_names_no_volume(
    capsys: pytest.CaptureFixture[str], tmp_path: pathlib.Path
) -> None:
    output = tmp_path / "pipeline.json"
    assert command.main([*FLAGS, "--dry-run", "--output", str(output)]) == 0
    shown = capsys.readouterr().out
    assert "2 x NVIDIA_TESLA_T4" in shown
    assert "serving_dir = /gcs/bucket/msg-gan/serving" in shown
    assert "volume" not in shown
    assert not output.exists()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--pipeline-root", "/mnt/msg-gan"], ["pipeline_root", "gs://BUCKET"]),
        (["--pipeline-root", "s3://bucket/root"], ["pipeline_root", "gs://BUCKET"]),
        (["--serving-dir", "/mnt/serving"], ["serving_dir", "gs://BUCKET"]),
        (["--train.checkpoint-dir", "ckpt"], ["train.checkpoint_dir", "gs://BUCKET"]),
        (["--data.data-dir", "/data"], ["data.data_dir", "gs://BUCKET"]),
        (["--data.folder", "/shoes"], ["data.folder", "gs://BUCKET"]),
        (["--kubeflow.image", "msg-gan:7"], ["kubeflow.image", "registry"]),
        (["--kubeflow.accelerator", "nvidia.com/gpu"], ["NVIDIA_TESLA_T4"]),
        (["--kubeflow.volume-claim", "mine"], ["kubeflow.volume_claim", "vertex"]),
        (["--kubeflow.secrets", "s/k=V"], ["kubeflow.secrets", "vertex"]),
        (["--kubeflow.run-as-non-root"], ["kubeflow.run_as_non_root", "vertex"]),
        # On Vertex AI, several workers are no way out.
        (
            ["--train.strategy", "multi_worker"],
            ["train.strategy", "one of auto, one_device, mirrored with --target"],
        ),
        (["--train.workers", "2"], ["train.workers", "vertex"]),
        (["--evaluate.baseline", "resolver"], ["evaluate.baseline"]),
        (["--target", "sagemaker"], ["target"]),
    ],
)
def test_what_cannot_run_there_is_refused(
    flags: list[str],
    words: list[str],
    capsys: pytest.CaptureFixture[str],
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert_refused(command.main, [*FLAGS, *flags], words, capsys)
    assert not list(tmp_path.iterdir())
