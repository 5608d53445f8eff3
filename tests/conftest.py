"""Shared by all tests: quiet libraries, two logical CPUs, a small dataset."""

from __future__ import annotations

import pathlib

import pytest

from msg_modules.common import console

console.quiet_libraries()

# Session fixtures that take long: the tests that use one run in the same process.
_SHARED = ("ended_run", "pipeline")


def pytest_configure() -> None:
    # Before anything runs on a device: some tests train on two replicas.
    from msg_modules.training.distribution import configure_devices

    configure_devices("mirrored", 2)


@pytest.hookimpl(tryfirst=True)  # Before xdist reads the groups.
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        names = getattr(item, "fixturenames", ())
        group = next((name for name in _SHARED if name in names), item.location[0])
        item.add_marker(pytest.mark.xdist_group(group))


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
