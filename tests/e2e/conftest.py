"""Pipeline root, run on Kubeflow and browser that the tests of whole runs share."""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from local_pipeline import BLESS_ALL, Pipeline
from selenium import webdriver

from pipeline.local import command

if TYPE_CHECKING:
    from kfp_emulation import Cluster, StepServer

_REPOSITORY = pathlib.Path(__file__).parents[2]
_MINIO = "minio://mlpipeline/v2/artifacts"


@pytest.fixture(scope="session")
def pipeline(
    tmp_path_factory: pytest.TempPathFactory, garments_dir: pathlib.Path
) -> Pipeline:
    """A pipeline root on which the command has run once.

    An earlier run was ended before it recorded anything, which leaves the database
    empty.
    """
    pipeline = Pipeline(tmp_path_factory.mktemp("pipeline") / "root", garments_dir)
    pipeline.root.mkdir()
    (pipeline.root / "metadata.sqlite").touch()
    assert command.main(pipeline.flags) == 0
    return pipeline


@pytest.fixture(scope="session")
def volume(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """What the PersistentVolumeClaim gives, mounted."""
    return tmp_path_factory.mktemp("volume")


@pytest.fixture(scope="session")
def flags(volume: pathlib.Path, garments_dir: pathlib.Path) -> list[str]:
    return [
        "compile",
        "--kubeflow.mount-path",
        str(volume),
        "--data.dataset",
        "garments",
        "--data.data-dir",
        str(garments_dir),
        "--data.max-examples",
        "100",
        "--train.steps",
        "4",
        "--train.batch-size",
        "8",
        # Without momentum, a few steps of Adam would make much of little differences.
        "--train.beta-1",
        "0.5",
        "--train.checkpoint-every",
        "2",
        "--train.report-every",
        "2",
        "--train.sample-every",
        "50",
        "--train.deterministic",
        "--classifier.epochs",
        "1",
        "--evaluate.num-seeds",
        "1",
        *BLESS_ALL,
    ]


@pytest.fixture(scope="session")
def package(flags: list[str], tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The pipeline as the command compiles it."""
    path = tmp_path_factory.mktemp("package") / "pipeline.yaml"
    command = [sys.executable, "kubeflow_runner.py", *flags, "--output", str(path)]
    subprocess.run(command, cwd=_REPOSITORY, check=True)
    return path


@pytest.fixture(scope="session")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Where the steps find the address of Kubernetes' API server."""
    return tmp_path_factory.mktemp("kube") / "config"


@pytest.fixture(scope="session")
def server(kubeconfig: pathlib.Path) -> Iterator[StepServer]:
    from kfp_emulation import StepServer

    server = StepServer({"KUBECONFIG": str(kubeconfig)})
    yield server
    server.close()


@pytest.fixture(scope="session")
def ended_run(
    package: pathlib.Path,
    server: StepServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Cluster:
    """A run with an object store that has ended."""
    from kfp_emulation import Cluster

    cluster = Cluster(package, tmp_path_factory.mktemp("cluster"), _MINIO, server)
    cluster.run_all()
    return cluster


@pytest.fixture
def cluster(ended_run: Cluster) -> Cluster:
    """That run; a step that a test runs again leaves it as it was for others."""
    return ended_run.copied()


@pytest.fixture
def downloads(tmp_path: pathlib.Path) -> pathlib.Path:
    """Where the browser puts what it downloads."""
    return tmp_path / "downloads"


@pytest.fixture
def browser(downloads: pathlib.Path) -> Iterator[webdriver.Chrome]:
    """Chromium, in which every host but this machine is unknown."""
    driver = shutil.which("chromedriver")
    if not shutil.which("chromium") or not driver:
        pytest.skip("needs chromium and chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        "--window-size=1440,2400",
    ):
        options.add_argument(flag)
    options.add_experimental_option(
        "prefs", {"download.default_directory": str(downloads)}
    )
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = webdriver.Chrome(options, webdriver.ChromeService(driver))
    yield chrome
    chrome.quit()
