"""What a step's container starts, given what KFP's launcher gives it."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import signal
from collections.abc import Iterator
from typing import Any

import pytest
import tensorflow as tf
from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils

from msg_modules.common.errors import RunError
from pipeline.kubeflow import artifact_places, entrypoint

EXAMPLES = "title: tfx.Examples\ntype: object\n"
MODEL = "title: tfx.Model\ntype: object\n"


class Copies(base_executor.BaseExecutor):
    """Copies its input to its output, and says what it was told."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        source = artifact_utils.get_single_instance(input_dict["examples"])
        target = artifact_utils.get_single_instance(output_dict["model"])
        assert set(output_dict) == {"model"}
        assert source.type_name == "Examples"
        if exec_properties.get("fail"):
            raise RunError("no luck today.")
        if exec_properties.get("terminate"):
            os.kill(os.getpid(), signal.SIGTERM)
        text = (pathlib.Path(source.uri) / "data").read_text()
        assert not list(pathlib.Path(target.uri).iterdir())
        (pathlib.Path(target.uri) / "data").write_text(text + exec_properties["config"])
        target.set_string_custom_property("source", source.uri)


class Opens(base_executor.BaseExecutor):
    """Copies its input to its output, of which it opens the URIs."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        source = artifact_utils.get_single_uri(input_dict["examples"])
        target = artifact_utils.get_single_uri(output_dict["model"])
        assert self._get_tmp_dir().startswith("ram://")
        assert not tf.io.gfile.listdir(target)
        tf.io.gfile.copy(f"{source}/data", f"{target}/data")


class Step:
    """A step with an input and an output on an emulated pod's disk."""

    def __init__(self, disk: pathlib.Path, root: str, local: pathlib.Path):
        self.disk = disk
        self.local = local
        self.output_file = local / "step" / "output_metadata.json"
        self.termination_log = disk / "termination-log"
        self.definitions: dict[str, Any] = {
            "artifacts": {"examples": {"artifactType": {"instanceSchema": EXAMPLES}}},
            "parameters": {
                "config": {"parameterType": "STRING"},
                "config--inner--steps": {"parameterType": "NUMBER_INTEGER"},
            },
        }
        self.request: dict[str, Any] = {
            "inputs": {
                "parameterValues": {
                    "config": '{"inner": {"steps": 1, "rate": 0.5}}',
                    "config--inner--steps": 7.0,
                },
                "artifacts": {
                    "examples": {
                        "artifacts": [
                            {
                                "name": "11",
                                "uri": f"{root}/examples",
                                "type": {"instanceSchema": ""},
                            }
                        ]
                    }
                },
            },
            "outputs": {
                "artifacts": {
                    "model": {
                        "artifacts": [
                            {
                                "name": "model",
                                "uri": f"{root}/step/model",
                                "type": {"instanceSchema": MODEL},
                            }
                        ]
                    },
                    "executor-logs": {
                        "artifacts": [
                            {
                                "name": "executor-logs",
                                "uri": f"{root}/step/executor-logs",
                                "type": {"schemaTitle": "system.Artifact"},
                            }
                        ]
                    },
                },
                "outputFile": str(self.output_file),
            },
        }
        (local / "examples").mkdir(parents=True)
        (local / "examples" / "data").write_text("pixels ")
        (local / "step").mkdir()
        # The launcher writes it while the step runs.
        (local / "step" / "executor-logs").write_text("log")

    def run(self, executor: str = f"{__name__}.Copies", **arguments: str) -> int:
        given = {
            "executor_class_path": executor,
            "json_serialized_invocation_args": json.dumps(self.request),
            "json_serialized_inputs_spec_args": json.dumps(self.definitions),
            "tfx": entrypoint.tfx_version(),
            **arguments,
        }
        return entrypoint.main(
            [word for key, value in given.items() for word in (f"--{key}", value)],
            termination_log=str(self.termination_log),
        )

    @property
    def told(self) -> dict[str, Any]:
        told = json.loads(self.output_file.read_text())
        return told["artifacts"]["model"]["artifacts"][0]


@pytest.fixture(params=["minio://bucket/root", "s3://b/root", "gs://b/root", ""])
def step(
    request: pytest.FixtureRequest,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Step:
    """With an artifact store of each kind, or a directory."""
    monkeypatch.setenv("KFP_LOCAL_ROOT", str(tmp_path))
    scheme, _, path = request.param.partition("://")
    if not scheme:
        root = tmp_path / "mnt"
        return Step(tmp_path, str(root), root)
    directory = {"gs": "gcs"}.get(scheme, scheme)
    return Step(tmp_path, request.param, tmp_path / directory / path)


@pytest.fixture
def minio_step(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Step:
    monkeypatch.setenv("KFP_LOCAL_ROOT", str(tmp_path))
    return Step(tmp_path, "minio://bucket/root", tmp_path / "minio" / "bucket" / "root")


@pytest.fixture
def ram_step(tmp_path: pathlib.Path) -> Iterator[Step]:
    """With an artifact store that TensorFlow opens and that is no directory."""
    root = "ram://bucket/root"
    step = Step(tmp_path, root, tmp_path / "local")
    shutil.rmtree(tmp_path / "local")
    step.request["outputs"]["outputFile"] = f"{root}/step/executor_output.json"
    _write(f"{root}/examples/data", "pixels ")
    _write(f"{root}/examples/deep/er", "more")
    yield step
    artifact_places.remove(root)


def _write(uri: str, text: str) -> None:
    tf.io.gfile.makedirs(uri.rsplit("/", 1)[0])
    with tf.io.gfile.GFile(uri, "w") as file:
        file.write(text)


def _read(uri: str) -> str:
    with tf.io.gfile.GFile(uri) as file:
        return file.read()


def _told_in(uri: str) -> dict[str, Any]:
    return json.loads(_read(uri))["artifacts"]["model"]["artifacts"][0]


def _uri(step: Step, side: str, key: str) -> str:
    return step.request[side]["artifacts"][key]["artifacts"][0]["uri"]


def test_a_step_runs_and_speaks_of_uris(step: Step) -> None:
    assert step.run() == 0
    written = (step.local / "step" / "model" / "data").read_text()
    assert written == 'pixels {"inner": {"rate": 0.5, "steps": 7}}'
    assert step.told["uri"] == _uri(step, "outputs", "model")
    assert step.told["metadata"]["source"] == _uri(step, "inputs", "examples")
    assert (step.local / "step" / "executor-logs").read_text() == "log"


def test_what_an_earlier_attempt_left_is_gone(step: Step) -> None:
    left = step.local / "step" / "model"
    left.mkdir()
    (left / "half").write_text("of it")
    step.output_file.write_text('{"parameterValues": {"config": "wrong"}}')
    assert step.run() == 0
    assert [path.name for path in left.iterdir()] == ["data"]
    assert "wrong" not in (left / "data").read_text()


def test_an_artifact_at_a_path_of_its_own(minio_step: Step) -> None:
    elsewhere = minio_step.disk / "elsewhere"
    (minio_step.local / "examples").rename(elsewhere)
    (artifact,) = minio_step.request["inputs"]["artifacts"]["examples"]["artifacts"]
    artifact["customPath"] = str(elsewhere)
    assert minio_step.run() == 0
    assert minio_step.told["metadata"]["source"] == artifact["uri"]


def test_an_input_as_kfp_without_ml_metadata_gives_it(minio_step: Step) -> None:
    (artifact,) = minio_step.request["inputs"]["artifacts"]["examples"]["artifacts"]
    # Named like an output of this step, by the key that it was the output of.
    artifact["name"] = "model"
    artifact["artifactId"] = "5bd9f2d1-5d0b-4d4c-a7a2-6f1b7c1f3a52"
    artifact["type"] = {"schemaTitle": EXAMPLES}
    assert minio_step.run() == 0
    assert minio_step.told["uri"] == _uri(minio_step, "outputs", "model")
    assert minio_step.told["metadata"]["source"] == artifact["uri"]


def test_without_a_launcher_it_copies_by_itself(ram_step: Step) -> None:
    # What an attempt left that was killed while it copied.
    _write("ram://bucket/root/step/model/half", "of it")
    assert ram_step.run(artifacts="copies") == 0
    assert tf.io.gfile.listdir("ram://bucket/root/step/model") == ["data"]
    written = _read("ram://bucket/root/step/model/data")
    assert written == 'pixels {"inner": {"rate": 0.5, "steps": 7}}'
    told = _told_in("ram://bucket/root/step/executor_output.json")
    assert told["uri"] == "ram://bucket/root/step/model"
    assert told["metadata"]["source"] == "ram://bucket/root/examples"


def test_what_cannot_be_copied_is_named(
    ram_step: Step, capsys: pytest.CaptureFixture[str]
) -> None:
    artifact_places.remove("ram://bucket/root/examples")
    assert ram_step.run(artifacts="copies") == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert "'examples' is 'ram://bucket/root/examples'" in line


def test_directories_are_copied_with_what_is_in_them(
    ram_step: Step, tmp_path: pathlib.Path
) -> None:
    artifact_places.copy("ram://bucket/root/examples", str(tmp_path / "there"))
    assert (tmp_path / "there" / "deep" / "er").read_text() == "more"
    artifact_places.copy(str(tmp_path / "there"), "ram://bucket/root/again")
    assert _read("ram://bucket/root/again/deep/er") == "more"


def test_a_step_may_open_uris_by_itself(ram_step: Step) -> None:
    _write("ram://bucket/root/step/model/half", "of it")
    ram_step.request["outputs"]["outputFile"] = str(ram_step.output_file)
    assert ram_step.run(f"{__name__}.Opens", artifacts="uris") == 0
    assert _read("ram://bucket/root/step/model/data") == "pixels "
    assert ram_step.told["uri"] == "ram://bucket/root/step/model"


@pytest.mark.parametrize("artifacts", ["copies", "uris"])
def test_a_store_that_tensorflow_does_not_open(
    minio_step: Step, artifacts: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert minio_step.run(artifacts=artifacts) == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert "'examples' is 'minio://bucket/root/examples'" in line
    assert "--pipeline-root gs://" in line


def test_a_missing_input_is_named(
    minio_step: Step, capsys: pytest.CaptureFixture[str]
) -> None:
    minio_step.termination_log.touch()
    (minio_step.local / "examples" / "data").unlink()
    (minio_step.local / "examples").rmdir()
    assert minio_step.run() == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert "'examples' is 'minio://bucket/root/examples'" in line
    # It is what Kubernetes shows as the reason.
    assert minio_step.termination_log.read_text().strip() in line


def test_the_reason_of_a_failure_is_the_last_line(
    minio_step: Step, capsys: pytest.CaptureFixture[str]
) -> None:
    minio_step.request["inputs"]["parameterValues"]["fail"] = True
    assert minio_step.run() == 1
    assert capsys.readouterr().err.splitlines()[-1] == "error: no luck today."
    assert not minio_step.output_file.exists()
    assert not minio_step.termination_log.exists()


def test_sigterm_ends_the_step_with_status_143(minio_step: Step) -> None:
    minio_step.request["inputs"]["parameterValues"]["terminate"] = True
    assert minio_step.run() == 143
    assert not minio_step.output_file.exists()


@pytest.mark.parametrize("executor", ["no_such_package.Executor", f"{__name__}.Moves"])
def test_an_executor_that_is_not_in_the_image(
    minio_step: Step, executor: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert minio_step.run(executor) == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert executor in line
    assert "image" in line


@pytest.mark.parametrize(
    "request_text",
    [
        "{{$}}",
        "[]",
        "{}",
        '{"inputs": {"artifacts": {"examples": 3}}, "outputs": {}}',
        '{"inputs": {"artifacts": {"other": {"artifacts": [{"uri": "x"}]}}},'
        ' "outputs": {"outputFile": "y"}}',
        '{"inputs": {"parameterValues": {"nothing--a": 1}},'
        ' "outputs": {"outputFile": "y"}}',
    ],
)
def test_a_malformed_request(
    minio_step: Step, request_text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert minio_step.run(json_serialized_invocation_args=request_text) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "ExecutorInput" in line


def test_a_root_that_no_step_can_write(
    minio_step: Step, capsys: pytest.CaptureFixture[str]
) -> None:
    (artifact,) = minio_step.request["outputs"]["artifacts"]["model"]["artifacts"]
    artifact["uri"] = "/proc/artifacts/model"
    assert minio_step.run() == 1
    assert "/proc/artifacts" in capsys.readouterr().err.splitlines()[-1]
