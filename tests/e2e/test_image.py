"""The image: every step of the pipeline, and the server, in its containers.

With IMAGE set to the name of an image that `.ci/image` has built for podman. Most steps
are processes in one container, which saves the imports of TFX.
"""

from __future__ import annotations

import io
import os
import pathlib
import re
import shutil
from collections.abc import Iterator

import pytest
import requests
from containers import USER, Containers, StepContainer
from kfp_emulation import ML_METADATA, TASK_API, Cluster
from local_pipeline import COMPONENTS
from PIL import Image
from server_process import Server

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("IMAGE" not in os.environ, reason="needs IMAGE"),
    pytest.mark.skipif(not shutil.which("podman"), reason="needs podman"),
]

_MINIO = "minio://bucket/root"


@pytest.fixture(scope="module")
def pods(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The object store and the pods' disks."""
    return tmp_path_factory.mktemp("pods")


@pytest.fixture(scope="module")
def containers(
    volume: pathlib.Path, garments_dir: pathlib.Path, pods: pathlib.Path
) -> Containers:
    return Containers(os.environ["IMAGE"], volume, garments_dir, pods)


@pytest.fixture(scope="module")
def package(
    containers: Containers, flags: list[str], volume: pathlib.Path, pods: pathlib.Path
) -> pathlib.Path:
    """The pipeline as the image compiles it."""
    package, log = volume / "pipeline.yaml", pods / "compile.log"
    compiles = ["python", "kubeflow_runner.py", *flags, "--output", str(package)]
    containers.start(compiles, {}, log)
    assert containers.status() == 0, log.read_text()
    return package


@pytest.fixture(scope="module")
def step_container(
    containers: Containers, pods: pathlib.Path
) -> Iterator[StepContainer]:
    container = StepContainer(containers, pods)
    yield container
    container.close()


def test_a_step_runs_in_a_container_of_its_own(
    containers: Containers, package: pathlib.Path, pods: pathlib.Path
) -> None:
    cluster = Cluster(package, pods / "alone", _MINIO, containers)
    ended = cluster.run("TfdsExampleGen")
    assert ended.status == 0, ended.output


def test_all_steps_run_in_the_image_and_it_serves_what_they_push(
    containers: Containers,
    step_container: StepContainer,
    package: pathlib.Path,
    volume: pathlib.Path,
    pods: pathlib.Path,
) -> None:
    # Outside of the image, each generation of KFP has the other kind of root.
    for name, root, generation in (
        ("stored", _MINIO, TASK_API),
        ("shared", str(volume / "artifacts"), ML_METADATA),
    ):
        serving = volume / "serving" / name
        cluster = Cluster(
            package,
            pods / name,
            root,
            step_container,
            {"serving_dir": str(serving)},
            generation,
        )
        cluster.run_all()
        assert set(cluster.artifacts) == set(COMPONENTS)
        (version,) = serving.iterdir()
        assert (version / "saved_model.pb").stat().st_uid == USER

    server = Server(serving, containers.command_line(["msg-gan"], network="host"))
    try:
        answer = requests.get(f"{server.url}/sample.png?num_images=4", timeout=60)
    finally:
        server.stop()
    answer.raise_for_status()
    Image.open(io.BytesIO(answer.content)).load()


def test_a_step_of_another_tfx_names_both(
    containers: Containers, package: pathlib.Path, pods: pathlib.Path
) -> None:
    text = package.read_text()
    (own,) = set(re.findall(r"sdkVersion: tfx-(\S+)", text))
    edited = pods / "edited.yaml"
    edited.write_text(text.replace(own, "0.1.2"))
    ended = Cluster(edited, pods / "edited", _MINIO, containers).run("TfdsExampleGen")
    assert ended.status == 1
    *_, last = ended.output.splitlines()
    assert f"compiled with TFX 0.1.2, but this image has TFX {own}" in last
    assert "kubeflow_runner.py compile" in last
