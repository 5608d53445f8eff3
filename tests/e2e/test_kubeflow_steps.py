"""Every step of a compiled pipeline, run as Kubeflow Pipelines would run it."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import pathlib
import re
import signal
import tempfile
import time
from collections.abc import Iterator

import pytest
import tensorflow as tf
import yaml
from kfp_emulation import TASK_API, Cluster, StepServer, records
from local_pipeline import COMPONENTS

from pipeline.kubeflow import command

pytestmark = pytest.mark.slow

STOCK_ENTRY_POINT = "tfx.orchestration.kubeflow.v2.container.kubeflow_v2_run_executor"


@pytest.fixture
def mounted(tmp_path: pathlib.Path) -> Iterator[pathlib.Path]:
    """A directory where volumes are mounted, or another one if that is not ours."""
    if not os.access("/mnt", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/mnt") as directory:
        yield pathlib.Path(directory)


def _sample(version: pathlib.Path) -> dict[str, tuple[int, ...]]:
    generator = tf.saved_model.load(str(version))
    images = generator.signatures["sample"](
        num_images=tf.constant(3), seed=tf.constant(1, tf.int64)
    )
    return {name: tuple(image.shape) for name, image in images.items()}


def test_compiled_in_two_processes_it_is_the_same(
    package: pathlib.Path, flags: list[str], tmp_path: pathlib.Path
) -> None:
    again = tmp_path / "again.yaml"
    assert command.main([*flags, "--output", str(again)]) == 0
    assert again.read_bytes() == package.read_bytes()


def test_with_an_object_store_all_steps_run_and_push(
    cluster: Cluster, volume: pathlib.Path
) -> None:
    assert set(cluster.artifacts) == set(COMPONENTS)
    (version,) = (volume / "serving").iterdir()
    assert _sample(version) == {
        "image_7": (3, 7, 7, 1),
        "image_14": (3, 14, 14, 1),
        "image_28": (3, 28, 28, 1),
    }
    # The object store has the same, for those who cannot mount the volume.
    assert _sample(cluster.stored("Pusher", "pushed_model"))
    assert (cluster.stored("Trainer", "model_run") / "sheet.png").exists()


def test_metadata_names_uris_and_not_the_launchers_directories(
    cluster: Cluster,
) -> None:
    blessing = cluster.artifacts["GanEvaluator"]["blessing"]
    model = cluster.artifacts["Trainer"]["model"]
    assert model["uri"].startswith("minio://")
    assert blessing["metadata"]["current_model"] == model["uri"]
    examples = cluster.artifacts["TfdsExampleGen"]["examples"]["metadata"]
    assert examples["dataset"] == "garments"
    assert examples["train_num_examples"] == 100


def test_tfxs_own_entry_point_fails_for_three_reasons(cluster: Cluster) -> None:
    """Why there is one of ours. When TFX mends one, this says so."""
    request = cluster.prepare("StatisticsGen")

    def run() -> str:
        cluster.start("StatisticsGen", request, STOCK_ENTRY_POINT)
        ended = cluster.finish("StatisticsGen", request)
        assert ended.status != 0
        return ended.output

    assert "AttributeError: 'NoneType' object has no attribute 'get'" in run()
    for key, title in (("examples", "tfx.Examples"), ("schema", "tfx.Schema")):
        (artifact,) = request["inputs"]["artifacts"][key]["artifacts"]
        artifact["type"] = {"schemaTitle": title}
    assert "Could not import system.Artifact" in run()
    del request["outputs"]["artifacts"]["executor-logs"]
    assert "File system scheme 'minio' not implemented" in run()


@pytest.mark.parametrize("what", ["TFX", "code"])
def test_a_step_that_is_not_what_was_compiled_names_both(
    what: str, package: pathlib.Path, server: StepServer, tmp_path: pathlib.Path
) -> None:
    spec = next(iter(yaml.safe_load_all(package.read_text())))
    parameters = spec["root"]["dag"]["tasks"]["TfdsExampleGen"]["inputs"]["parameters"]
    other, own = {
        "TFX": ("0.1.2", importlib.metadata.version("tfx")),
        "code": ("0123456789abcdef", parameters["code"]["runtimeValue"]["constant"]),
    }[what]
    edited = tmp_path / "pipeline.yaml"
    edited.write_text(package.read_text().replace(own, other))
    cluster = Cluster(edited, tmp_path / "cluster", "minio://bucket/root", server)
    ended = cluster.run("TfdsExampleGen")
    assert ended.status == 1
    *_, last = ended.output.splitlines()
    assert other in last
    assert own in last
    assert "compile" in last


def test_with_a_shared_directory_and_without_ml_metadata_all_steps_run_and_push(
    package: pathlib.Path,
    server: StepServer,
    volume: pathlib.Path,
    mounted: pathlib.Path,
    tmp_path: pathlib.Path,
) -> None:
    serving = volume / "elsewhere"
    cluster = Cluster(
        package,
        tmp_path / "cluster",
        str(mounted / "artifacts"),
        server,
        {"train_steps": 2, "batch_size": 4, "serving_dir": str(serving)},
        TASK_API,
    )
    cluster.run_all()
    (version,) = serving.iterdir()
    assert _sample(version)
    stats = cluster.stored("Trainer", "model_run") / "stats.jsonl"
    # The runtime parameters reached the training: two steps of four images.
    assert '"images": 8' in stats.read_text().splitlines()[-1]


def test_beams_workers_in_processes_of_their_own(
    cluster: Cluster, flags: list[str], server: StepServer, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / "pipeline.yaml"
    own = [
        f"--beam.component-options=TfdsExampleGen=--{option}"
        for option in ("direct_running_mode=multi_processing", "direct_num_workers=2")
    ]
    assert command.main([*flags, *own, "--output", str(path)]) == 0
    parallel = Cluster(path, tmp_path / "cluster", "minio://bucket/root", server)
    request = parallel.prepare("TfdsExampleGen")
    pid = parallel.start("TfdsExampleGen", request)
    workers: set[str] = set()
    while pathlib.Path(f"/proc/{pid}").exists():
        workers |= _children(pid, "sdk_worker_main")
        time.sleep(0.2)
    ended = parallel.finish("TfdsExampleGen", request)
    assert ended.status == 0, ended.output
    assert len(workers) == 2
    examples = parallel.stored("TfdsExampleGen", "examples")
    assert records(examples) == records(cluster.stored("TfdsExampleGen", "examples"))


def _children(pid: int, name: str) -> set[str]:
    """The ids of a process's children that run something."""
    found = set()
    for child in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = int((child / "stat").read_text().rsplit(")", 1)[1].split()[1])
            if parent == pid and name in (child / "cmdline").read_text():
                found.add(child.name)
    return found


def test_a_recurring_run_trains_on_from_the_served_version_if_something_is_new(
    cluster: Cluster, flags: list[str], volume: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / "pipeline.yaml"
    start = ["--train.start-from", "served"]
    assert command.main([*flags, *start, "--output", str(path)]) == 0
    # The cache does not know what is served.
    assert "enableCache: true" not in path.read_text()
    recurring = cluster.with_package(path)
    serving = volume / "recurring"
    same = {"serving_dir": str(serving), "seed": 9}

    def run(parameters: dict[str, object], *steps: str) -> str:
        recurring.parameters = parameters
        output = ""
        for step in steps:
            ended = recurring.run(step)
            assert ended.status == 0, ended.output
            output += ended.output
        return output

    learning = ("Trainer", "GanEvaluator", "Pusher")
    assert "no version is served" in run(same, *learning)
    (served,) = serving.iterdir()
    output = run(same, *learning)
    assert f"nothing new since version {served.name}" in output
    assert f"served already, as version {served.name}" in output
    assert list(serving.iterdir()) == [served]

    output = run({**same, "batch_size": 4}, "Trainer")
    assert f"training on from version {served.name}" in output
    assert "starting from the weights of step 4" in output


def test_a_stopped_training_goes_on_in_another_pod(cluster: Cluster) -> None:
    cluster.parameters = {"train_steps": 100_000, "seed": 5}
    request = cluster.prepare("Trainer")
    pid = cluster.start("Trainer", request)
    while not re.search(r"step +\d", cluster.output):
        time.sleep(0.2)
        os.kill(pid, 0)
    os.kill(pid, signal.SIGTERM)
    ended = cluster.finish("Trainer", request)
    assert ended.status == 143, ended.output
    steps = [
        int(n.replace(",", "")) for n in re.findall(r"step +([\d,]+)", ended.output)
    ]
    cluster.parameters["train_steps"] = max(steps) + 100
    ended = cluster.run("Trainer")
    assert ended.status == 0, ended.output
    assert "resuming from step" in ended.output
