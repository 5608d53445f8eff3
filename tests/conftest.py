"""Shared by all tests: quiet libraries, two logical CPUs, a small dataset."""

from __future__ import annotations

import os
import pathlib
from typing import Any

import hypothesis
import pytest
from xdist.scheduler import LoadFileScheduling

from msg_modules.common import console

console.quiet_libraries()

# The same cases everywhere. `--hypothesis-profile more` draws new ones each time.
_FUZZ = hypothesis.settings(
    deadline=None, database=None, suppress_health_check=list(hypothesis.HealthCheck)
)
hypothesis.settings.register_profile("same", _FUZZ, max_examples=30, derandomize=True)
hypothesis.settings.register_profile("more", _FUZZ, max_examples=2000)
hypothesis.settings.load_profile("same")

# Test files that share a session fixture that takes long to make.
_GROUPS = {
    f"tests/e2e/test_{name}.py": group
    for group, names in {
        "pipeline": (
            "bad_input",
            "classes",
            "explore",
            "gate",
            "interruption",
            "local_runner",
            "report",
        ),
        "ended_run": ("kubeflow_jobs", "kubeflow_retries", "kubeflow_steps"),
    }.items()
    for name in names
}


class _GroupScheduling(LoadFileScheduling):
    """Runs a file's tests, and those of a group of files, in the same process."""

    def _split_scope(self, nodeid: str) -> str:
        path = super()._split_scope(nodeid)
        return _GROUPS.get(path, path)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    return _GroupScheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Whole runs take longest: one that begins last keeps one process waiting, and one
    # in a process in which hundreds of tests ran is not what users have.
    items.sort(key=lambda item: not item.nodeid.startswith("tests/e2e/"))


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("numprocesses"):
        # One core per process, which inherits this: threads of TensorFlow and of
        # NumPy's matrix products wait for each other actively, so processes with more
        # threads than cores slow each other down. This one only distributes tests, and
        # needs no TensorFlow, which takes seconds to import.
        for name in ("TF_NUM_INTRAOP_THREADS", "OPENBLAS_NUM_THREADS"):
            os.environ.setdefault(name, "1")
        return
    # Before anything runs on a device: some tests train on two replicas.
    from msg_modules.training.distribution import configure_devices

    configure_devices("mirrored", 2)


@pytest.fixture(scope="session")
def garments_dir(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A TFDS directory that holds 600 + 600 examples of `garments`."""
    import tensorflow_datasets as tfds

    import components.tfds_example_gen.builders  # noqa: F401

    directory = tmp_path_factory.mktemp("tfds")
    tfds.builder("garments", data_dir=directory).download_and_prepare(
        download_config=tfds.download.DownloadConfig(max_examples_per_split=600)
    )
    return directory
