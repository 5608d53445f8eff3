"""The image: every step of the pipeline, and the server, in its containers.

With IMAGE set to the name of an image that `.ci/image` has built for podman.
"""

from __future__ import annotations

import importlib.metadata
import io
import os
import pathlib
import shutil

import pytest
import requests
from containers import USER, Containers
from kfp_emulation import Cluster
from local_pipeline import COMPONENTS
from PIL import Image
from server_process import Server

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("IMAGE" not in os.environ, reason="needs IMAGE"),
    pytest.mark.skipif(not shutil.which("podman"), reason="needs podman"),
]


@pytest.fixture
def pods(tmp_path: pathlib.Path) -> pathlib.Path:
    """The object store and the pods' disks."""
    directory = tmp_path / "pods"
    directory.mkdir()
    return directory


@pytest.fixture
def containers(
    volume: pathlib.Path, garments_dir: pathlib.Path, pods: pathlib.Path
) -> Containers:
    return Containers(os.environ["IMAGE"], volume, garments_dir, pods)


def test_all_steps_run_in_the_image_and_it_serves_what_they_push(
    containers: Containers, flags: list[str], volume: pathlib.Path, pods: pathlib.Path
) -> None:
    package, log = volume / "pipeline.yaml", pods / "compile.log"
    compiles = ["python", "kubeflow_runner.py", *flags, "--output", str(package)]
    containers.start(compiles, {}, log)
    assert containers.status() == 0, log.read_text()

    cluster = Cluster(package, pods, "minio://bucket/root", containers)
    cluster.run_all()
    assert set(cluster.artifacts) == set(COMPONENTS)
    (version,) = (volume / "serving").iterdir()
    assert (version / "saved_model.pb").stat().st_uid == USER

    server = Server(
        volume / "serving", containers.command_line(["msg-gan"], network="host")
    )
    try:
        answer = requests.get(f"{server.url}/sample.png?num_images=4", timeout=60)
    finally:
        server.stop()
    answer.raise_for_status()
    Image.open(io.BytesIO(answer.content)).load()


def test_a_step_of_another_tfx_names_both(
    containers: Containers, package: pathlib.Path, pods: pathlib.Path
) -> None:
    compiled = importlib.metadata.version("tfx")
    ended = Cluster(package, pods, "minio://bucket/root", containers).run(
        "TfdsExampleGen"
    )
    if ended.status == 0:
        pytest.skip(f"the image has TFX {compiled} as well")
    *_, last = ended.output.splitlines()
    assert f"compiled with TFX {compiled}, but this image has TFX " in last
    assert "kubeflow_runner.py compile" in last
